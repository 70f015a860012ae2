"""The live view, over histories as AWS and as the local cloud write them."""

from __future__ import annotations

import io
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from rich.console import Console

from cli.cloud.live_view import StillRunningError, follow, states_of, states_table

START = datetime(2026, 11, 23, 20, 0, tzinfo=UTC)
ARN = "arn:aws:states:eu-west-1:000000000000:execution:rental-kpi-pipeline:2026-11-abc"


class History:
    """Events written as Step Functions does; `numbered` says which one each followed."""

    def __init__(self, numbered: bool = True) -> None:
        self.events: list[dict[str, Any]] = []
        self._numbered = numbered

    def add(self, at: float, kind: str, previous: int | None = None, **details: Any) -> int:
        """An event `at` so many seconds; its number. It follows the last one, or `previous`."""
        event = {"id": len(self.events) + 1, "type": kind, "timestamp": _time(at), **details}
        if self._numbered:
            event["previousEventId"] = len(self.events) if previous is None else previous
        self.events.append(event)
        return len(self.events)

    def enter(self, at: float, name: str, kind: str = "Task", previous: int | None = None) -> int:
        details = {"stateEnteredEventDetails": {"name": name}}
        return self.add(at, f"{kind}StateEntered", previous, **details)

    def leave(self, at: float, name: str, kind: str = "Task", previous: int | None = None) -> int:
        details = {"stateExitedEventDetails": {"name": name}}
        return self.add(at, f"{kind}StateExited", previous, **details)

    def fail(self, at: float, error: str, previous: int | None = None) -> int:
        return self.add(at, "TaskFailed", previous, taskFailedEventDetails={"error": error})

    def rows(self, now: float) -> list[tuple[str, int, float, str]]:
        """Each state's name, depth, seconds and result."""
        return [
            (state.name, state.depth, round(state.seconds_at(_time(now)), 1), state.words)
            for state in states_of(self.events)
        ]


def _time(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def test_a_state_runs_until_it_is_left() -> None:
    history = History()
    history.add(0, "ExecutionStarted")
    history.enter(0, "PinInputs")
    history.add(0.1, "TaskScheduled")
    assert history.rows(3) == [("PinInputs", 0, 3.0, "running")]
    history.add(4, "TaskSucceeded")
    history.leave(4, "PinInputs")
    history.enter(4, "CreateCluster")
    assert history.rows(6) == [
        ("PinInputs", 0, 4.0, "done"),
        ("CreateCluster", 0, 2.0, "running"),
    ]


def test_states_that_only_think_are_left_out() -> None:
    history = History()
    for name, kind in (
        ("InitializeVariables", "Pass"),
        ("CheckCrawlStatus", "Choice"),
        ("Wait", "Wait"),
    ):
        history.enter(0, name, kind)
        history.leave(1, name, kind)
    assert [row[0] for row in history.rows(1)] == ["Wait"]


def test_a_loop_is_one_row() -> None:
    history = History()
    for at in (0, 10, 20):
        history.enter(at, "GetCrawlStatus")
        history.leave(at + 2, "GetCrawlStatus")
    assert history.rows(100) == [("GetCrawlStatus", 0, 6.0, "done (3 times)")]


def test_a_retried_task_runs_on_and_may_still_succeed() -> None:
    history = History()
    history.enter(0, "PinInputs")
    history.fail(1, "Lambda.ServiceException")
    assert history.rows(2) == [("PinInputs", 0, 2.0, "running")]
    history.add(3, "TaskSucceeded")
    history.leave(3, "PinInputs")
    assert history.rows(9) == [("PinInputs", 0, 3.0, "done")]


def test_a_caught_error_is_named() -> None:
    history = History()
    history.enter(0, "StartCrawler")
    history.fail(1, "Glue.CrawlerRunningException")
    history.leave(1, "StartCrawler")
    history.enter(1, "WaitForCrawler", "Wait")
    assert history.rows(2)[0] == ("StartCrawler", 0, 1.0, "Glue.CrawlerRunningException")


def _parallel(history: History) -> tuple[int, int]:
    """Both jobs under way; the numbers of their last events."""
    around = history.enter(0, "RunJobs", "Parallel")
    first = history.enter(0, "RunTransformation", previous=around)
    second = history.enter(0, "RunKpis", previous=around)
    return (
        history.add(0, "TaskScheduled", first),
        history.add(0, "TaskScheduled", second),
    )


def test_branches_stand_below_their_state() -> None:
    history = History()
    first, second = _parallel(history)
    assert history.rows(5) == [
        ("RunJobs", 0, 5.0, "running"),
        ("RunTransformation", 1, 5.0, "running"),
        ("RunKpis", 1, 5.0, "running"),
    ]
    history.leave(7, "RunKpis", previous=history.add(7, "TaskSucceeded", second))
    history.leave(8, "RunTransformation", previous=history.add(8, "TaskSucceeded", first))
    history.leave(8, "RunJobs", "Parallel")
    assert [row[2:] for row in history.rows(99)] == [(8.0, "done"), (8.0, "done"), (7.0, "done")]


def test_the_branch_that_failed_is_told_from_the_one_that_was_stopped() -> None:
    history = History()
    _, second = _parallel(history)
    history.fail(6, "States.TaskFailed", second)
    history.leave(6, "RunJobs", "Parallel")  # caught
    history.enter(6, "TerminateClusterAfterFailure")
    assert history.rows(7) == [
        ("RunJobs", 0, 6.0, "failed"),
        ("RunTransformation", 1, 6.0, "stopped"),
        ("RunKpis", 1, 6.0, "States.TaskFailed"),
        ("TerminateClusterAfterFailure", 0, 1.0, "running"),
    ]


def test_without_numbers_an_error_is_still_that_of_the_only_task() -> None:
    history = History(numbered=False)
    history.enter(0, "CreateCluster")
    history.fail(1, "EMR.AmazonElasticMapReduceException")
    history.leave(1, "CreateCluster")
    assert history.rows(2) == [("CreateCluster", 0, 1.0, "EMR.AmazonElasticMapReduceException")]


def test_without_numbers_nobody_is_blamed_for_another_branch_s_error() -> None:
    history = History(numbered=False)
    _parallel(history)
    history.fail(6, "States.TaskFailed")
    history.leave(6, "RunJobs", "Parallel")
    assert [row[3] for row in history.rows(7)] == ["failed", "stopped", "stopped"]


@pytest.mark.parametrize("end", ["ExecutionAborted", "ExecutionTimedOut"])
def test_what_was_under_way_when_it_was_stopped_is_stopped(end: str) -> None:
    history = History()
    _parallel(history)
    history.add(9, end)
    assert history.rows(99) == [
        ("RunJobs", 0, 9.0, "stopped"),
        ("RunTransformation", 1, 9.0, "stopped"),
        ("RunKpis", 1, 9.0, "stopped"),
    ]


def test_the_fail_state_failed() -> None:
    history = History()
    history.enter(0, "Failed", "Fail")
    history.add(0, "ExecutionFailed")
    assert history.rows(9) == [("Failed", 0, 0.0, "failed")]


def test_an_uncaught_error_is_named_at_the_end() -> None:
    history = History()
    history.enter(0, "PinInputs")
    history.fail(1, "States.Runtime")
    history.add(1, "ExecutionFailed")
    assert history.rows(9) == [("PinInputs", 0, 1.0, "States.Runtime")]


def test_the_table_indents_branches() -> None:
    history = History()
    _parallel(history)
    console = Console(file=io.StringIO(), width=80)
    console.print(states_table("Run x", states_of(history.events), _time(2)))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "Run x" in text
    assert "\n    RunKpis " in text
    assert " 2.0 " in text


class FakeStates:
    """Step Functions' answers, one history after the other; the last one stays."""

    def __init__(self, *answers: tuple[str, list[dict[str, Any]]]) -> None:
        self._answers = list(answers)

    def describe_execution(self, executionArn: str) -> dict[str, Any]:  # noqa: N803
        return {"executionArn": executionArn, "status": self._answers[0][0]}

    def get_paginator(self, name: str) -> FakeStates:
        assert name == "get_execution_history"
        return self

    def paginate(self, **words: Any) -> list[Mapping[str, Any]]:
        assert words["executionArn"] == ARN
        _, events = self._answers[0]
        if len(self._answers) > 1:
            del self._answers[0]
        half = len(events) // 2
        return [{"events": events[:half]}, {"events": events[half:]}]


def _histories() -> FakeStates:
    history = History()
    history.enter(0, "PinInputs")
    begun = list(history.events)
    history.leave(2, "PinInputs")
    history.enter(2, "GetCrawlStatus")
    history.leave(3, "GetCrawlStatus")
    looked = list(history.events)
    history.enter(4, "GetCrawlStatus")
    history.leave(5, "GetCrawlStatus")
    return FakeStates(("RUNNING", begun), ("RUNNING", looked), ("SUCCEEDED", history.events))


def test_without_a_terminal_each_state_is_a_line_once() -> None:
    console = Console(file=io.StringIO(), width=40)
    description = follow(_histories(), ARN, console)
    assert description["status"] == "SUCCEEDED"
    assert console.file.getvalue().splitlines() == [  # type: ignore[attr-defined]
        f"{'PinInputs':30}     2.0 s  done",
        f"{'GetCrawlStatus':30}     1.0 s  done",
    ]


def test_on_a_terminal_the_last_table_stays() -> None:
    console = Console(file=io.StringIO(), width=80, force_terminal=True, color_system=None)
    follow(_histories(), ARN, console)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "Run 2026-11-abc" in text
    assert "done (2 times)" in text


def test_watching_has_an_end() -> None:
    history = History()
    history.enter(0, "PinInputs")
    states = FakeStates(("RUNNING", history.events))
    with pytest.raises(StillRunningError, match="Run 2026-11-abc is not over after 0:00:01"):
        follow(states, ARN, Console(file=io.StringIO()), limit=0.5001)
