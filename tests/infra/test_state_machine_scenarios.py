"""The state machine's ways by name: the good one, those that wait or try again, those that fail."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.infra.asl_engine import RUN_ID, Answers, Ended, Engine, Error

pytestmark = pytest.mark.xdist_group("ministack")

BATCH = {
    "batch": "raw/2026-11/",
    "claimed_at": "2026-11-23T19:00:31.123456Z",
    "files": [{"dataset": "users", "key": "raw/2026-11/users.csv", "version_id": "v1"}],
}
MOST_POLLS = 60


def _crawler(state: str, started: str | None = None, **last: str) -> dict[str, Any]:
    crawler: dict[str, Any] = {"Name": "rental-kpi-crawler", "State": state}
    if started:
        crawler["LastCrawl"] = {"StartTime": started, "Status": "SUCCEEDED", **last}
    return {"Crawler": crawler}


BEFORE, OURS = "2026-11-22T19:00:00.000Z", "2026-11-23T19:20:00.000Z"
IDLE, RUNNING = _crawler("READY", BEFORE), _crawler("RUNNING", BEFORE)
OVER = _crawler("READY", OURS)
THROTTLED = Error("EMR.AmazonElasticMapReduceException", "Rate exceeded (ThrottlingException)")
DENIED = Error("EMR.AmazonElasticMapReduceException", "not authorized (AccessDeniedException)")
TIMED_OUT = Error("States.Timeout")
BROKEN = Error("TypeError", "a bug of ours")
LEDGER_DOWN = Error("DynamoDB.ResourceNotFoundException", "no table")

GOOD: Answers = {
    "ledger RUNNING": [{}],
    "PinInputs": [{"bytes": 123}],
    "createCluster": [{"ClusterId": "j-1"}],
    "addStep transformation_job": [{}],
    "addStep kpis": [{}],
    "terminateCluster": [{}],
    "CheckRun": [{"rejected_percent": "0.40"}],
    "getCrawler": [IDLE, RUNNING, OVER],
    "startCrawler": [{}],
    "PublishResults": [{"status": "PUBLISHED", "pointer": "published_runs/x.json"}],
    "ReportFailure": [{"mailed": True}],
    "ledger PUBLISHED": [{}],
    "ledger SUPERSEDED": [{}],
    "ledger FAILED": [{}],
}


@dataclass(frozen=True)
class Succeeds:
    """A run that is published in spite of `answers`; `times` counts calls that are of interest."""

    answers: Answers = field(default_factory=dict)
    status: str = "PUBLISHED"
    times: Mapping[str, int] = field(default_factory=dict)


SUCCEEDS = {
    "all is well": Succeeds(times={"PinInputs": 1, "getCrawler": 3}),
    "a later run was published meanwhile": Succeeds(
        {"PublishResults": [{"status": "SUPERSEDED", "pointer": None}]}, status="SUPERSEDED"
    ),
    "a function says that it is too early": Succeeds(
        {"PublishResults": [Error("RetryableError"), *GOOD["PublishResults"]]},
        times={"PublishResults": 2},
    ),
    "a function is throttled": Succeeds(
        {"CheckRun": [Error("Lambda.TooManyRequestsException"), {}]}, times={"CheckRun": 2}
    ),
    "the ledger is busy": Succeeds(
        {"ledger RUNNING": [Error("DynamoDB.ProvisionedThroughputExceededException"), {}]},
        times={"ledger RUNNING": 2},
    ),
    "creation is throttled twice": Succeeds(
        {"createCluster": [THROTTLED, THROTTLED, {"ClusterId": "j-1"}]}, times={"createCluster": 3}
    ),
    "adding a step is throttled": Succeeds(
        {"addStep kpis": [THROTTLED, {}]}, times={"addStep kpis": 2}
    ),
    "termination is throttled": Succeeds(
        {"terminateCluster": [THROTTLED, {}]}, times={"terminateCluster": 2}
    ),
    "the crawler never ran before": Succeeds({"getCrawler": [_crawler("READY"), OVER]}),
    "another crawl is still running": Succeeds(
        {"getCrawler": [RUNNING, _crawler("STOPPING", BEFORE), IDLE, OVER]},
        times={"getCrawler": 4, "startCrawler": 1},
    ),
    "another crawl was quicker to start": Succeeds(
        {
            "getCrawler": [IDLE, RUNNING, _crawler("READY", "2026-11-23T19:19:00.000Z"), OVER],
            "startCrawler": [Error("Glue.CrawlerRunningException"), {}],
        },
        times={"getCrawler": 4, "startCrawler": 2},
    ),
    "the crawler looks ready before it has begun": Succeeds(
        {"getCrawler": [IDLE, IDLE, RUNNING, OVER]}, times={"getCrawler": 4, "startCrawler": 1}
    ),
}


@dataclass(frozen=True)
class Fails:
    """A run that fails in `state` because of `answers`.

    `terminations` counts calls; `reported` says whether the failure is told by mail and ledger.
    """

    answers: Answers
    state: str
    error: str
    cause: str = ""
    terminations: int = 1
    times: Mapping[str, int] = field(default_factory=dict)
    reported: bool = True


FAILS = {
    "the ledger is gone": Fails(
        {"ledger RUNNING": [LEDGER_DOWN], "ledger FAILED": [LEDGER_DOWN]},
        "RecordStarted",
        LEDGER_DOWN.name,
        terminations=0,
    ),
    "an input is gone": Fails(
        {"PinInputs": [Error("InputMissingError", '{"errorMessage": "users.csv is gone"}')]},
        "PinInputs",
        "InputMissingError",
        "users.csv is gone",
        terminations=0,
        times={"PinInputs": 1, "createCluster": 0},
    ),
    "a function hangs twice": Fails(
        {"PinInputs": [TIMED_OUT]},
        "PinInputs",
        TIMED_OUT.name,
        terminations=0,
        times={"PinInputs": 2},
    ),
    "pinning answers without a size": Fails(
        {"PinInputs": [{}]}, "PinInputs", "States.QueryEvaluationError", "no size", terminations=0
    ),
    "creation is not allowed": Fails(
        {"createCluster": [DENIED]},
        "CreateCluster",
        DENIED.name,
        "AccessDenied",
        terminations=0,
        times={"createCluster": 1},
    ),
    "creation is not answered": Fails(
        {"createCluster": [TIMED_OUT]},
        "CreateCluster",
        TIMED_OUT.name,
        terminations=0,
        times={"createCluster": 1},
    ),
    "creation stays throttled": Fails(
        {"createCluster": [THROTTLED]},
        "CreateCluster",
        THROTTLED.name,
        terminations=0,
        times={"createCluster": 5},
    ),
    "the transformation fails": Fails(
        {"addStep transformation_job": [Error("States.TaskFailed", "step s-1 FAILED")]},
        "RunJobs",
        "States.TaskFailed",
        "s-1",
        times={"addStep transformation_job": 1, "CheckRun": 0},
    ),
    "the KPIs fail": Fails(
        {"addStep kpis": [Error("States.TaskFailed", "step s-2 FAILED")]},
        "RunJobs",
        "States.TaskFailed",
        "s-2",
        times={"addStep kpis": 1, "CheckRun": 0},
    ),
    "a step takes too long": Fails(
        {"addStep kpis": [TIMED_OUT]}, "RunJobs", TIMED_OUT.name, times={"addStep kpis": 1}
    ),
    "a step fails and its reason is long": Fails(
        {"addStep kpis": [Error("States.TaskFailed", "x" * 100_000)]},
        "RunJobs",
        "States.TaskFailed",
    ),
    "a step fails and the cluster cannot be ended": Fails(
        {
            "addStep kpis": [Error("States.TaskFailed", "step s-2 FAILED")],
            "terminateCluster": [DENIED],
        },
        "RunJobs",
        "States.TaskFailed",
        "step s-2 FAILED Moreover the cluster j-1 could not be terminated: EMR.Amazon",
        terminations=4,
    ),
    "the good way cannot end the cluster, the other can": Fails(
        {"terminateCluster": [TIMED_OUT, TIMED_OUT, TIMED_OUT, TIMED_OUT, {}]},
        "TerminateCluster",
        TIMED_OUT.name,
        terminations=5,
        times={"CheckRun": 0},
    ),
    "too many rows are rejected": Fails(
        {"CheckRun": [Error("RunRejectedError", "12 % are rejected")]},
        "CheckRun",
        "RunRejectedError",
        "12 %",
        times={"startCrawler": 0},
    ),
    "the crawler does not exist": Fails(
        {"getCrawler": [Error("Glue.EntityNotFoundException")]},
        "GetPreviousCrawl",
        "Glue.EntityNotFoundException",
    ),
    "the crawler stays busy": Fails(
        {"getCrawler": [RUNNING]},
        "CheckCrawlerState",
        "CrawlerBusy",
        f"RUNNING with another crawl after {MOST_POLLS} looks",
        times={"getCrawler": MOST_POLLS + 1, "startCrawler": 0},
    ),
    "the crawler may not be started": Fails(
        {"startCrawler": [Error("Glue.AccessDeniedException")]},
        "StartCrawler",
        "Glue.AccessDeniedException",
    ),
    "the crawl never ends": Fails(
        {"getCrawler": [IDLE, RUNNING]},
        "CheckCrawlStatus",
        "CrawlNotFinished",
        f"not over after {MOST_POLLS} looks",
        times={"getCrawler": MOST_POLLS + 1},
    ),
    "the crawl cannot be looked at": Fails(
        {"getCrawler": [IDLE, Error("Glue.EntityNotFoundException")]},
        "GetCrawlStatus",
        "Glue.EntityNotFoundException",
    ),
    "the crawl fails": Fails(
        {"getCrawler": [IDLE, _crawler("READY", OURS, Status="FAILED", ErrorMessage="no access")]},
        "CheckCrawlStatus",
        "CrawlFailed",
        "FAILED: no access",
    ),
    "the crawl fails and does not say why": Fails(
        {"getCrawler": [IDLE, _crawler("READY", OURS, Status="CANCELLED")]},
        "CheckCrawlStatus",
        "CrawlFailed",
        "CANCELLED: ",
    ),
    "a query fails": Fails(
        {"PublishResults": [Error("QueryFailedError", "SYNTAX_ERROR")]},
        "PublishResults",
        "QueryFailedError",
        "SYNTAX_ERROR",
    ),
    "the report of a failure fails": Fails(
        {"CheckRun": [BROKEN], "ReportFailure": [Error("KeyError", "another bug")]},
        "CheckRun",
        BROKEN.name,
        BROKEN.cause,
    ),
    "report and ledger fail": Fails(
        {"CheckRun": [BROKEN], "ReportFailure": [BROKEN], "ledger FAILED": [LEDGER_DOWN]},
        "CheckRun",
        BROKEN.name,
    ),
    "the run is published and the ledger is not told": Fails(
        {"ledger PUBLISHED": [LEDGER_DOWN]},
        "RecordPublished",
        LEDGER_DOWN.name,
        "The run is PUBLISHED and needs no repetition",
        reported=False,
    ),
}


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Engine:
    return Engine(monkeypatch)


def _counts(end: Ended, calls: Mapping[str, int]) -> dict[str, int]:
    return {call: len(end.sent(call)) for call in calls}


@pytest.mark.parametrize("name", SUCCEEDS)
def test_a_run_that_is_published(name: str, engine: Engine) -> None:
    scenario = SUCCEEDS[name]
    end = engine.run(name, {**GOOD, **scenario.answers}, BATCH)

    assert (end.status, end.error, end.cause) == ("SUCCEEDED", "", "")
    assert end.output == {"run_id": RUN_ID, "status": scenario.status}
    assert end.calls[-1][0] == f"ledger {scenario.status}"
    assert end.sent("terminateCluster")[-1] == {"ClusterId": "j-1"}
    assert _counts(end, {"ReportFailure": 0, "ledger FAILED": 0, **scenario.times}) == {
        "ReportFailure": 0,
        "ledger FAILED": 0,
        **scenario.times,
    }


def test_the_calls_come_in_the_order_of_the_design(engine: Engine) -> None:
    end = engine.run("in order", GOOD, BATCH)
    calls = [call for call, _ in end.calls if not call.startswith("addStep")]
    assert calls == [
        "ledger RUNNING",
        "PinInputs",
        "createCluster",
        "terminateCluster",
        "CheckRun",
        "getCrawler",
        "startCrawler",
        "getCrawler",
        "getCrawler",
        "PublishResults",
        "ledger PUBLISHED",
    ]


@pytest.mark.parametrize("name", FAILS)
def test_a_run_that_fails(name: str, engine: Engine) -> None:
    scenario = FAILS[name]
    end = engine.run(name, {**GOOD, **scenario.answers}, BATCH)

    assert (end.status, end.error) == ("FAILED", scenario.error)
    assert end.cause.startswith(f"{scenario.state}: ")
    assert scenario.cause in end.cause
    assert len(end.cause) < 10_000
    assert end.sent("terminateCluster") == [{"ClusterId": "j-1"}] * scenario.terminations
    assert _counts(end, scenario.times) == scenario.times
    if scenario.reported:
        _assert_told(end, scenario)
    else:
        assert _counts(end, {"ReportFailure": 0, "ledger FAILED": 0}) == {
            "ReportFailure": 0,
            "ledger FAILED": 0,
        }


def _assert_told(end: Ended, scenario: Fails) -> None:
    """One report with the cluster and the reason, then the same in the ledger, then nothing."""
    (report,) = end.sent("ReportFailure")
    assert report["run_id"] == RUN_ID
    assert report["batch"] == (None if scenario.state == "RecordStarted" else BATCH["batch"])
    assert report["run_id"] == RUN_ID
    created = scenario.terminations > 0
    assert report["cluster_id"] == ("j-1" if created else None)
    failure = report["failure"]
    assert (failure["state"], failure["error"]) == (scenario.state, scenario.error)
    assert f"{failure['state']}: {failure['cause']}" == end.cause

    assert [call for call, _ in end.calls][-2:] == ["ReportFailure", "ledger FAILED"]
    noted = end.sent("ledger FAILED")[0]["ExpressionAttributeValues"]
    assert noted[":error"] == {"S": scenario.error}
    assert noted[":cause"] == {"S": end.cause}


def test_an_input_that_lacks_something_is_told_like_any_failure(engine: Engine) -> None:
    end = engine.run("empty input", GOOD, {})
    assert (end.status, end.error) == ("FAILED", "States.QueryEvaluationError")
    assert end.cause.startswith("RecordStarted: ")
    assert [call for call, _ in end.calls] == ["ReportFailure", "ledger FAILED"]
