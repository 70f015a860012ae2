"""The live view, with execution histories as AWS and the local cloud return them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cli.exit_codes import WaitTimeoutError
from cli.runs.live_view import build_states_table, watch_execution
from cli.runs.states import list_states
from tests.support.console import create_console, get_output

START = datetime(2026, 11, 23, 20, 0, tzinfo=UTC)
ARN = "arn:aws:states:eu-west-1:000000000000:execution:rental-kpi-pipeline:2026-11-abc"


class History:
    """An execution history in the format of Step Functions.

    Args:
        is_linked: Whether each event has the ID of the previous event.
    """

    def __init__(self, is_linked: bool = True) -> None:
        self.events: list[dict[str, Any]] = []
        self._is_linked = is_linked

    def add(self, at: float, event_type: str, previous: int | None = None, **details: Any) -> int:
        """Add an event that follows the event `previous`, by default the last one.

        Returns:
            The ID of the event.
        """
        event = {"id": len(self.events) + 1, "type": event_type, "timestamp": _time(at), **details}
        if self._is_linked:
            event["previousEventId"] = len(self.events) if previous is None else previous
        self.events.append(event)
        return len(self.events)

    def enter(
        self, at: float, name: str, state_type: str = "Task", previous: int | None = None
    ) -> int:
        details = {"stateEnteredEventDetails": {"name": name}}
        return self.add(at, f"{state_type}StateEntered", previous, **details)

    def exit(
        self, at: float, name: str, state_type: str = "Task", previous: int | None = None
    ) -> int:
        details = {"stateExitedEventDetails": {"name": name}}
        return self.add(at, f"{state_type}StateExited", previous, **details)

    def fail(self, at: float, error: str, previous: int | None = None) -> int:
        return self.add(at, "TaskFailed", previous, taskFailedEventDetails={"error": error})

    def rows(self, now: float) -> list[tuple[str, int, float, str]]:
        """Return the name, depth, seconds, and result of each state."""
        return [
            (state.name, state.depth, round(state.seconds_at(_time(now)), 1), state.description)
            for state in list_states(self.events)
        ]


def _time(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def test_state_runs_until_it_is_exited() -> None:
    history = History()
    history.add(0, "ExecutionStarted")
    history.enter(0, "PinInputs")
    history.add(0.1, "TaskScheduled")
    assert history.rows(3) == [("PinInputs", 0, 3.0, "running")]
    history.add(4, "TaskSucceeded")
    history.exit(4, "PinInputs")
    history.enter(4, "CreateCluster")
    assert history.rows(6) == [
        ("PinInputs", 0, 4.0, "done"),
        ("CreateCluster", 0, 2.0, "running"),
    ]


def test_pass_and_choice_states_are_hidden() -> None:
    history = History()
    for name, kind in (
        ("InitializeVariables", "Pass"),
        ("CheckCrawl", "Choice"),
        ("Wait", "Wait"),
    ):
        history.enter(0, name, kind)
        history.exit(1, name, kind)
    assert [row[0] for row in history.rows(1)] == ["Wait"]


def test_repeated_visits_are_one_row() -> None:
    history = History()
    for at in (0, 10, 20):
        history.enter(at, "GetCrawler")
        history.exit(at + 2, "GetCrawler")
    assert history.rows(100) == [("GetCrawler", 0, 6.0, "done (3 times)")]


def test_retried_task_keeps_running_and_can_succeed() -> None:
    history = History()
    history.enter(0, "PinInputs")
    history.fail(1, "Lambda.ServiceException")
    assert history.rows(2) == [("PinInputs", 0, 2.0, "running")]
    history.add(3, "TaskSucceeded")
    history.exit(3, "PinInputs")
    assert history.rows(9) == [("PinInputs", 0, 3.0, "done")]


def test_caught_error_is_shown() -> None:
    history = History()
    history.enter(0, "StartCrawler")
    history.fail(1, "Glue.CrawlerRunningException")
    history.exit(1, "StartCrawler")
    history.enter(1, "WaitForCrawl", "Wait")
    assert history.rows(2)[0] == ("StartCrawler", 0, 1.0, "Glue.CrawlerRunningException")


def _start_jobs(history: History) -> tuple[int, int]:
    """Start both jobs in parallel, and return the IDs of their last events."""
    parallel = history.enter(0, "RunJobs", "Parallel")
    first = history.enter(0, "RunTransformation", previous=parallel)
    second = history.enter(0, "RunKpis", previous=parallel)
    return (
        history.add(0, "TaskScheduled", first),
        history.add(0, "TaskScheduled", second),
    )


def test_branches_are_nested_below_their_state() -> None:
    history = History()
    first, second = _start_jobs(history)
    assert history.rows(5) == [
        ("RunJobs", 0, 5.0, "running"),
        ("RunTransformation", 1, 5.0, "running"),
        ("RunKpis", 1, 5.0, "running"),
    ]
    history.exit(7, "RunKpis", previous=history.add(7, "TaskSucceeded", second))
    history.exit(8, "RunTransformation", previous=history.add(8, "TaskSucceeded", first))
    history.exit(8, "RunJobs", "Parallel")
    assert [row[2:] for row in history.rows(99)] == [(8.0, "done"), (8.0, "done"), (7.0, "done")]


def test_failed_branch_differs_from_stopped_branch() -> None:
    history = History()
    _, second = _start_jobs(history)
    history.fail(6, "States.TaskFailed", second)
    history.exit(6, "RunJobs", "Parallel")  # the error was caught
    history.enter(6, "TerminateClusterAfterFailure")
    assert history.rows(7) == [
        ("RunJobs", 0, 6.0, "failed"),
        ("RunTransformation", 1, 6.0, "stopped"),
        ("RunKpis", 1, 6.0, "States.TaskFailed"),
        ("TerminateClusterAfterFailure", 0, 1.0, "running"),
    ]


def test_unlinked_error_belongs_to_the_only_running_task() -> None:
    history = History(is_linked=False)
    history.enter(0, "CreateCluster")
    history.fail(1, "EMR.AmazonElasticMapReduceException")
    history.exit(1, "CreateCluster")
    assert history.rows(2) == [("CreateCluster", 0, 1.0, "EMR.AmazonElasticMapReduceException")]


def test_unlinked_error_belongs_to_no_branch_if_several_are_running() -> None:
    history = History(is_linked=False)
    _start_jobs(history)
    history.fail(6, "States.TaskFailed")
    history.exit(6, "RunJobs", "Parallel")
    assert [row[3] for row in history.rows(7)] == ["failed", "stopped", "stopped"]


@pytest.mark.parametrize("end", ["ExecutionAborted", "ExecutionTimedOut"])
def test_states_of_a_stopped_execution_are_stopped(end: str) -> None:
    history = History()
    _start_jobs(history)
    history.add(9, end)
    assert history.rows(99) == [
        ("RunJobs", 0, 9.0, "stopped"),
        ("RunTransformation", 1, 9.0, "stopped"),
        ("RunKpis", 1, 9.0, "stopped"),
    ]


def test_fail_state_has_failed() -> None:
    history = History()
    history.enter(0, "Failed", "Fail")
    history.add(0, "ExecutionFailed")
    assert history.rows(9) == [("Failed", 0, 0.0, "failed")]


def test_uncaught_error_is_shown_at_the_end() -> None:
    history = History()
    history.enter(0, "PinInputs")
    history.fail(1, "States.Runtime")
    history.add(1, "ExecutionFailed")
    assert history.rows(9) == [("PinInputs", 0, 1.0, "States.Runtime")]


def test_table_indents_branches() -> None:
    history = History()
    _start_jobs(history)
    console = create_console(width=80)
    console.print(build_states_table("Run x", list_states(history.events), _time(2)))
    output = get_output(console)
    assert "Run x" in output
    assert "\n    RunKpis " in output
    assert " 2.0 " in output


class FakeStepFunctions:
    """Returns one status and history after the other, and then the last one forever."""

    def __init__(self, *responses: tuple[str, list[dict[str, Any]]]) -> None:
        self._responses = list(responses)

    def describe_execution(self, executionArn: str) -> dict[str, Any]:  # noqa: N803
        return {"executionArn": executionArn, "status": self._responses[0][0]}

    def get_paginator(self, name: str) -> FakeStepFunctions:
        assert name == "get_execution_history"
        return self

    def paginate(self, **arguments: Any) -> list[Mapping[str, Any]]:
        assert arguments["executionArn"] == ARN
        _, events = self._responses[0]
        if len(self._responses) > 1:
            del self._responses[0]
        half = len(events) // 2
        return [{"events": events[:half]}, {"events": events[half:]}]


def _create_step_functions() -> FakeStepFunctions:
    history = History()
    history.enter(0, "PinInputs")
    first_history = list(history.events)
    history.exit(2, "PinInputs")
    history.enter(2, "GetCrawler")
    history.exit(3, "GetCrawler")
    second_history = list(history.events)
    history.enter(4, "GetCrawler")
    history.exit(5, "GetCrawler")
    return FakeStepFunctions(
        ("RUNNING", first_history), ("RUNNING", second_history), ("SUCCEEDED", history.events)
    )


def test_each_state_is_printed_once_without_a_terminal() -> None:
    console = create_console(width=40)
    description = watch_execution(_create_step_functions(), ARN, console)
    assert description["status"] == "SUCCEEDED"
    assert get_output(console).splitlines() == [
        f"{'PinInputs':30}     2.0 s  done",
        f"{'GetCrawler':30}     1.0 s  done",
    ]


def test_last_table_stays_on_the_terminal() -> None:
    console = create_console(width=80, force_terminal=True, color_system=None)
    watch_execution(_create_step_functions(), ARN, console)
    assert "Run 2026-11-abc" in get_output(console)
    assert "done (2 times)" in get_output(console)


def test_watching_ends_after_the_timeout() -> None:
    history = History()
    history.enter(0, "PinInputs")
    stepfunctions = FakeStepFunctions(("RUNNING", history.events))
    with pytest.raises(WaitTimeoutError, match="Run 2026-11-abc did not end within 0:00:01"):
        watch_execution(stepfunctions, ARN, create_console(), timeout=0.5001)
