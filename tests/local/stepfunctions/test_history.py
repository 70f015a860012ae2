"""Tests that each event of a history names the event before it, also in parallel branches."""

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
    return {"executionArn": "arn:of:outer", "events": [{"id": 1, "type": "ExecutionStarted"}]}


def add_event(execution: dict[str, Any], event_type: str) -> None:
    module = import_module("ministack.services.stepfunctions")
    module._add_event(execution, event_type, {"stateEnteredEventDetails": {"name": event_type}})


def get_previous_ids(execution: dict[str, Any]) -> dict[str, int]:
    """Return the previous event's ID of each event, by event type."""
    return {event["type"]: event["previousEventId"] for event in execution["events"][1:]}


def test_sequential_event_follows_the_event_before(execution: dict[str, Any]) -> None:
    def run() -> None:
        for event_type in ("InitializeVariables", "End"):
            add_event(execution, event_type)

    Context().run(run)
    assert get_previous_ids(execution) == {"InitializeVariables": 0, "End": 2}
    assert execution["events"][-1]["stateEnteredEventDetails"] == {"name": "End"}


def test_event_of_branch_follows_its_own_branch(execution: dict[str, Any]) -> None:
    def run() -> None:
        add_event(execution, "Parallel")
        first_branch, second_branch = copy_context(), copy_context()
        first_branch.run(add_event, execution, "first 1")
        second_branch.run(add_event, execution, "second 1")
        first_branch.run(add_event, execution, "first 2")
        second_branch.run(add_event, execution, "second 2")

    Context().run(run)
    assert get_previous_ids(execution) == {
        "Parallel": 0,
        "first 1": 2,
        "second 1": 2,
        "first 2": 3,
        "second 2": 4,
    }


def test_nested_execution_has_its_own_sequence(execution: dict[str, Any]) -> None:
    inner: dict[str, Any] = {"executionArn": "arn:of:inner", "events": [{"id": 1}]}

    def run() -> None:
        add_event(execution, "InitializeVariables")
        add_event(inner, "InitializeVariables")

    Context().run(run)
    assert get_previous_ids(inner) == {"InitializeVariables": 0}


def test_concurrent_events_have_unique_ids(execution: dict[str, Any]) -> None:
    def run() -> None:
        for _ in range(500):
            add_event(execution, "x")

    threads = [threading.Thread(target=Context().run, args=(run,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [event["id"] for event in execution["events"]] == list(range(1, 2002))
