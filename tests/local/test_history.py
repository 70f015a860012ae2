"""The history says which event each one followed, in a Parallel state's branches too."""

from __future__ import annotations

import threading
from contextvars import Context, copy_context
from importlib import import_module
from typing import Any

import pytest

from local.extensions.stepfunctions import history


@pytest.fixture
def execution() -> dict[str, Any]:
    history.install()
    return {"executionArn": "arn:of:it", "events": [{"id": 1, "type": "ExecutionStarted"}]}


def add(execution: dict[str, Any], kind: str) -> None:
    module = import_module("ministack.services.stepfunctions")
    module._add_event(execution, kind, {"stateEnteredEventDetails": {"name": kind}})


def previous(execution: dict[str, Any]) -> dict[str, int]:
    return {event["type"]: event["previousEventId"] for event in execution["events"][1:]}


def test_each_event_follows_the_one_before(execution: dict[str, Any]) -> None:
    def run() -> None:
        for kind in ("InitializeVariables", "End"):
            add(execution, kind)

    Context().run(run)
    assert previous(execution) == {"InitializeVariables": 0, "End": 2}
    assert execution["events"][-1]["stateEnteredEventDetails"] == {"name": "End"}


def test_a_branch_goes_on_from_its_state_and_not_from_the_other(execution: dict[str, Any]) -> None:
    def run() -> None:
        add(execution, "Parallel")
        first, second = copy_context(), copy_context()
        first.run(add, execution, "first")
        second.run(add, execution, "second")
        first.run(add, execution, "of first")
        second.run(add, execution, "of second")

    Context().run(run)
    assert previous(execution) == {
        "Parallel": 0,
        "first": 2,
        "second": 2,
        "of first": 3,
        "of second": 4,
    }


def test_an_execution_within_another_begins_anew(execution: dict[str, Any]) -> None:
    inner: dict[str, Any] = {"executionArn": "arn:of:inner", "events": [{"id": 1}]}

    def run() -> None:
        add(execution, "InitializeVariables")
        add(inner, "InitializeVariables")

    Context().run(run)
    assert previous(inner) == {"InitializeVariables": 0}


def test_no_number_is_given_twice(execution: dict[str, Any]) -> None:
    def run() -> None:
        for _ in range(500):
            add(execution, "x")

    threads = [threading.Thread(target=Context().run, args=(run,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [event["id"] for event in execution["events"]] == list(range(1, 2002))
