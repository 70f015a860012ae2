"""A Parallel state: its first failure ends it, and stops what runs beside it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from local.extensions.patching import patches
from local.extensions.stepfunctions import executions, parallel
from tests.support.waiting import wait_until

MODULE = executions.MODULE
ROLE = "arn:aws:iam::000000000000:role/any"
Answer = Callable[[], Any]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., dict[str, Any]]]:
    """Runs a machine to its end; a task's resource names one of the functions that are given."""
    tasks: dict[str, Answer] = {}
    # What is replaced here, no other test shall see.
    for name in (
        *("_run_execution", "_fail_execution", "_error_matches", "_invoke_resource"),
        *("_run_parallel_branches", "_run_sub_machine", "_execute_task"),
    ):
        monkeypatch.setattr(f"{MODULE}.{name}", patches.resolve(MODULE, name))
    monkeypatch.setattr(patches, "_replaced", {})
    executions.install()
    parallel.install()
    monkeypatch.setattr(f"{MODULE}._invoke_resource", lambda resource, _: tasks[resource]())

    def ended(machine: dict[str, Any], given: dict[str, Answer]) -> dict[str, Any]:
        tasks.update(given)
        create = patches.resolve(MODULE, "_create_state_machine")
        made = create({"name": "any", "definition": json.dumps(machine), "roleArn": ROLE})
        arn = json.loads(made[2])["stateMachineArn"]
        started = patches.resolve(MODULE, "_start_execution")(
            {"stateMachineArn": arn, "input": "{}"}
        )
        name = json.loads(started[2])["executionArn"]
        execution: dict[str, Any] = patches.resolve(MODULE, "_executions")[name]
        assert wait_until(lambda: execution["status"] != "RUNNING", 20)
        return execution

    yield ended
    patches.resolve(MODULE, "reset")()


def machine(*branches: str, **more: Any) -> dict[str, Any]:
    """A machine of one Parallel state, each branch of which is the task of that name."""
    state = {
        "Type": "Parallel",
        "Branches": [
            {
                "StartAt": branch,
                "States": {branch: {"Type": "Task", "Resource": branch, "End": True}},
            }
            for branch in branches
        ],
        **({} if "Next" in more else {"End": True}),
        **more,
    }
    states = {"Both": state, "Show": {"Type": "Pass", "Output": "{% $made %}", "End": True}}
    return {"QueryLanguage": "JSONata", "StartAt": "Both", "States": states}


def fail() -> None:
    raise executions.failure("Broken", "at once")


def entered(execution: dict[str, Any]) -> list[str]:
    return [
        event["stateEnteredEventDetails"]["name"]
        for event in execution["events"]
        if "stateEnteredEventDetails" in event
    ]


def test_the_first_failure_stops_the_other_branch(run: Callable[..., dict[str, Any]]) -> None:
    stopped = threading.Event()

    def poll() -> None:
        def looks() -> bool:
            try:
                executions.check_running()
            except executions.StoppedError:
                stopped.set()
                raise
            return False

        wait_until(looks, 20)

    ended = run(machine("slow", "broken"), {"slow": poll, "broken": fail})
    assert (ended["status"], ended["error"]) == ("FAILED", "Broken")
    assert stopped.is_set()


def test_the_failure_is_caught_where_the_state_says(run: Callable[..., dict[str, Any]]) -> None:
    catch = [
        {
            "ErrorEquals": ["States.ALL"],
            "Assign": {"made": "{% $states.errorOutput.Error %}"},
            "Next": "Show",
        }
    ]
    ended = run(machine("one", "broken", Catch=catch), {"one": lambda: 1, "broken": fail})
    assert (ended["status"], json.loads(ended["output"])) == ("SUCCEEDED", "Broken")


def test_what_the_state_makes_of_its_results(run: Callable[..., dict[str, Any]]) -> None:
    ended = run(
        machine("one", "two", Assign={"made": "{% $sum($states.result) %}"}, Next="Show"),
        {"one": lambda: 1, "two": lambda: 2},
    )
    assert json.loads(ended["output"]) == 3
    assert sorted(entered(ended)) == ["Both", "Show", "one", "two"]
