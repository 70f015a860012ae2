"""Tests that the first failure in a Parallel state fails the state and stops its other branches."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from local.extensions.patching import patches
from local.extensions.stepfunctions import executions, parallel
from local.extensions.stepfunctions.executions import STEP_FUNCTIONS
from tests.support.waiting import wait_until

ROLE_ARN = "arn:aws:iam::000000000000:role/any"
TaskFunction = Callable[[], Any]
RunMachine = Callable[[dict[str, Any], dict[str, TaskFunction]], dict[str, Any]]


@pytest.fixture
def run_machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[RunMachine]:
    """Run a state machine to its end. The resource of a task names one of the given functions."""
    functions: dict[str, TaskFunction] = {}
    # Restores the functions that the extensions replace, for the sake of other tests.
    for name in (
        *("_run_execution", "_fail_execution", "_error_matches", "_invoke_resource"),
        *("_run_parallel_branches", "_run_sub_machine", "_execute_task"),
    ):
        monkeypatch.setattr(f"{STEP_FUNCTIONS}.{name}", patches.resolve(STEP_FUNCTIONS, name))
    monkeypatch.setattr(patches, "_replaced", {})
    executions.install()
    parallel.install()
    monkeypatch.setattr(
        f"{STEP_FUNCTIONS}._invoke_resource", lambda resource, _: functions[resource]()
    )

    def run(definition: dict[str, Any], task_functions: dict[str, TaskFunction]) -> dict[str, Any]:
        functions.update(task_functions)
        create = patches.resolve(STEP_FUNCTIONS, "_create_state_machine")
        created = create({"name": "any", "definition": json.dumps(definition), "roleArn": ROLE_ARN})
        machine_arn = json.loads(created[2])["stateMachineArn"]
        start = patches.resolve(STEP_FUNCTIONS, "_start_execution")
        started = start({"stateMachineArn": machine_arn, "input": "{}"})
        execution_arn = json.loads(started[2])["executionArn"]
        execution: dict[str, Any] = patches.resolve(STEP_FUNCTIONS, "_executions")[execution_arn]
        assert wait_until(lambda: execution["status"] != "RUNNING", 20)
        return execution

    yield run
    patches.resolve(STEP_FUNCTIONS, "reset")()


def build_definition(*resources: str, **fields: Any) -> dict[str, Any]:
    """Return a definition with one Parallel state, which has one branch per resource."""
    parallel_state = {
        "Type": "Parallel",
        "Branches": [
            {
                "StartAt": resource,
                "States": {resource: {"Type": "Task", "Resource": resource, "End": True}},
            }
            for resource in resources
        ],
        **({} if "Next" in fields else {"End": True}),
        **fields,
    }
    show_state = {"Type": "Pass", "Output": "{% $assigned %}", "End": True}
    return {
        "QueryLanguage": "JSONata",
        "StartAt": "Both",
        "States": {"Both": parallel_state, "Show": show_state},
    }


def fail() -> None:
    raise executions.create_task_error("Broken", "immediately")


def get_entered_states(execution: dict[str, Any]) -> list[str]:
    return [
        event["stateEnteredEventDetails"]["name"]
        for event in execution["events"]
        if "stateEnteredEventDetails" in event
    ]


def test_first_failure_stops_the_other_branch(run_machine: RunMachine) -> None:
    is_stopped = threading.Event()

    def run_until_stopped() -> None:
        def check() -> bool:
            try:
                executions.check_running()
            except executions.TaskStoppedError:
                is_stopped.set()
                raise
            return False

        wait_until(check, 20)

    execution = run_machine(
        build_definition("slow", "broken"), {"slow": run_until_stopped, "broken": fail}
    )
    assert (execution["status"], execution["error"]) == ("FAILED", "Broken")
    assert is_stopped.is_set()


def test_failure_can_be_caught(run_machine: RunMachine) -> None:
    catch = [
        {
            "ErrorEquals": ["States.ALL"],
            "Assign": {"assigned": "{% $states.errorOutput.Error %}"},
            "Next": "Show",
        }
    ]
    execution = run_machine(
        build_definition("one", "broken", Catch=catch), {"one": lambda: 1, "broken": fail}
    )
    assert (execution["status"], json.loads(execution["output"])) == ("SUCCEEDED", "Broken")


def test_parallel_state_can_assign_its_results(run_machine: RunMachine) -> None:
    execution = run_machine(
        build_definition(
            "one", "two", Assign={"assigned": "{% $sum($states.result) %}"}, Next="Show"
        ),
        {"one": lambda: 1, "two": lambda: 2},
    )
    assert json.loads(execution["output"]) == 3
    assert sorted(get_entered_states(execution)) == ["Both", "Show", "one", "two"]
