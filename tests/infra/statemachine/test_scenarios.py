"""Scenarios of the state machine: successful runs, runs with waits or retries, and failed runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from tests.infra.support.asl_engine import RUN_ID, Engine, ExecutionResult, Responses, TaskError
from tests.infra.support.crawler import IDLE, RUNNING, SUCCEEDED

pytestmark = pytest.mark.xdist_group("ministack")

BATCH = {
    "batch": "raw/2026-11/",
    "claimed_at": "2026-11-23T19:00:31.123456Z",
    "files": [{"dataset": "users", "key": "raw/2026-11/users.csv", "version_id": "v1"}],
}
THROTTLED = TaskError("EMR.AmazonElasticMapReduceException", "Rate exceeded (ThrottlingException)")
DENIED = TaskError("EMR.AmazonElasticMapReduceException", "not authorized (AccessDeniedException)")
TIMED_OUT = TaskError("States.Timeout")
BUG = TaskError("TypeError", "a bug in our code")
LEDGER_DOWN = TaskError("DynamoDB.ResourceNotFoundException", "no table")

SUCCESS: Responses = {
    "ledger RUNNING": [{}],
    "take slot": [{}],
    "PinInputs": [{"bytes": 123}],
    "createCluster": [{"ClusterId": "j-1"}],
    "addStep transformation_job": [{}],
    "addStep kpis": [{}],
    "terminateCluster": [{}],
    "CheckRun": [{"rejected_percent": "0.40"}],
    "getCrawler": [IDLE, RUNNING, SUCCEEDED],
    "startCrawler": [{}],
    "PublishResults": [{"status": "PUBLISHED", "record_key": "published_runs/x.json"}],
    "ReportFailure": [{"email_sent": True}],
    "ledger PUBLISHED": [{}],
    "ledger SUPERSEDED": [{}],
    "ledger FAILED": [{}],
}


@dataclass(frozen=True)
class SuccessScenario:
    """A run that is published.

    Attributes:
        responses: The responses that differ from `SUCCESS`.
        status: The status of the run at the end.
        call_counts: The expected numbers of calls.
    """

    responses: Responses = field(default_factory=dict)
    status: str = "PUBLISHED"
    call_counts: Mapping[str, int] = field(default_factory=dict)


SUCCESS_SCENARIOS = {
    "no errors": SuccessScenario(call_counts={"PinInputs": 1, "getCrawler": 3}),
    "a later run is published first": SuccessScenario(
        {"PublishResults": [{"status": "SUPERSEDED", "record_key": None}]}, status="SUPERSEDED"
    ),
    "a function raises a retryable error": SuccessScenario(
        {"PublishResults": [TaskError("RetryableError"), *SUCCESS["PublishResults"]]},
        call_counts={"PublishResults": 2},
    ),
    "a function is throttled": SuccessScenario(
        {"CheckRun": [TaskError("Lambda.TooManyRequestsException"), {}]},
        call_counts={"CheckRun": 2},
    ),
    "the ledger is throttled": SuccessScenario(
        {"ledger RUNNING": [TaskError("DynamoDB.ProvisionedThroughputExceededException"), {}]},
        call_counts={"ledger RUNNING": 2},
    ),
    "taking the slot is throttled": SuccessScenario(
        {"take slot": [TaskError("DynamoDB.ThrottlingException"), {}]},
        call_counts={"take slot": 2},
    ),
    "creating the cluster is throttled twice": SuccessScenario(
        {"createCluster": [THROTTLED, THROTTLED, {"ClusterId": "j-1"}]},
        call_counts={"createCluster": 3},
    ),
    "adding a step is throttled once": SuccessScenario(
        {"addStep kpis": [THROTTLED, {}]}, call_counts={"addStep kpis": 2}
    ),
    "terminating the cluster is throttled once": SuccessScenario(
        {"terminateCluster": [THROTTLED, {}]}, call_counts={"terminateCluster": 2}
    ),
}


@dataclass(frozen=True)
class FailureScenario:
    """A run that fails.

    Attributes:
        responses: The responses that differ from `SUCCESS`.
        state: The state that fails.
        error: The name of the error.
        cause: A part of the cause.
        terminations: The expected number of calls that terminate the cluster.
        call_counts: The expected numbers of other calls.
        is_reported: Whether the failure is sent by email and recorded in the ledger.
    """

    responses: Responses
    state: str
    error: str
    cause: str = ""
    terminations: int = 1
    call_counts: Mapping[str, int] = field(default_factory=dict)
    is_reported: bool = True


FAILURE_SCENARIOS = {
    "the ledger does not exist": FailureScenario(
        {"ledger RUNNING": [LEDGER_DOWN], "ledger FAILED": [LEDGER_DOWN]},
        "RecordStarted",
        LEDGER_DOWN.name,
        terminations=0,
    ),
    "the slot cannot be taken": FailureScenario(
        {"take slot": [LEDGER_DOWN]},
        "TakeSlot",
        LEDGER_DOWN.name,
        terminations=0,
        call_counts={"take slot": 1, "PinInputs": 0},
    ),
    "taking the slot remains throttled": FailureScenario(
        {"take slot": [TaskError("DynamoDB.ThrottlingException")]},
        "TakeSlot",
        "DynamoDB.ThrottlingException",
        terminations=0,
        call_counts={"take slot": 7, "PinInputs": 0},
    ),
    "an input file is missing": FailureScenario(
        {"PinInputs": [TaskError("InputMissingError", '{"errorMessage": "users.csv is gone"}')]},
        "PinInputs",
        "InputMissingError",
        "users.csv is gone",
        terminations=0,
        call_counts={"PinInputs": 1, "createCluster": 0},
    ),
    "a function times out twice": FailureScenario(
        {"PinInputs": [TIMED_OUT]},
        "PinInputs",
        TIMED_OUT.name,
        terminations=0,
        call_counts={"PinInputs": 2},
    ),
    "PinInputs returns no size": FailureScenario(
        {"PinInputs": [{}]},
        "PinInputs",
        "States.QueryEvaluationError",
        "input size",
        terminations=0,
    ),
    "creating the cluster is denied": FailureScenario(
        {"createCluster": [DENIED]},
        "CreateCluster",
        DENIED.name,
        "AccessDenied",
        terminations=0,
        call_counts={"createCluster": 1},
    ),
    "creating the cluster times out": FailureScenario(
        {"createCluster": [TIMED_OUT]},
        "CreateCluster",
        TIMED_OUT.name,
        terminations=0,
        call_counts={"createCluster": 1},
    ),
    "creating the cluster remains throttled": FailureScenario(
        {"createCluster": [THROTTLED]},
        "CreateCluster",
        THROTTLED.name,
        terminations=0,
        call_counts={"createCluster": 5},
    ),
    "the transformation job fails": FailureScenario(
        {"addStep transformation_job": [TaskError("States.TaskFailed", "step s-1 FAILED")]},
        "RunJobs",
        "States.TaskFailed",
        "s-1",
        call_counts={"addStep transformation_job": 1, "CheckRun": 0},
    ),
    "the KPI job fails": FailureScenario(
        {"addStep kpis": [TaskError("States.TaskFailed", "step s-2 FAILED")]},
        "RunJobs",
        "States.TaskFailed",
        "s-2",
        call_counts={"addStep kpis": 1, "CheckRun": 0},
    ),
    "a step times out": FailureScenario(
        {"addStep kpis": [TIMED_OUT]}, "RunJobs", TIMED_OUT.name, call_counts={"addStep kpis": 1}
    ),
    "a step fails with a long cause": FailureScenario(
        {"addStep kpis": [TaskError("States.TaskFailed", "x" * 100_000)]},
        "RunJobs",
        "States.TaskFailed",
    ),
    "a step fails and the cluster cannot be terminated": FailureScenario(
        {
            "addStep kpis": [TaskError("States.TaskFailed", "step s-2 FAILED")],
            "terminateCluster": [DENIED],
        },
        "RunJobs",
        "States.TaskFailed",
        "step s-2 FAILED; in addition, the cluster j-1 could not be terminated: EMR.Amazon",
        terminations=4,
    ),
    "only the failure path can terminate the cluster": FailureScenario(
        {"terminateCluster": [TIMED_OUT, TIMED_OUT, TIMED_OUT, TIMED_OUT, {}]},
        "TerminateCluster",
        TIMED_OUT.name,
        terminations=5,
        call_counts={"CheckRun": 0},
    ),
    "the quality gate rejects the run": FailureScenario(
        {"CheckRun": [TaskError("RunRejectedError", "12% are rejected")]},
        "CheckRun",
        "RunRejectedError",
        "12%",
        call_counts={"startCrawler": 0},
    ),
    "a query fails": FailureScenario(
        {"PublishResults": [TaskError("QueryFailedError", "SYNTAX_ERROR")]},
        "PublishResults",
        "QueryFailedError",
        "SYNTAX_ERROR",
    ),
    "reporting the failure fails": FailureScenario(
        {"CheckRun": [BUG], "ReportFailure": [TaskError("KeyError", "another bug")]},
        "CheckRun",
        BUG.name,
        BUG.cause,
        # The run stays recorded as running, so that the watchdog finds and reports it.
        call_counts={"ledger FAILED": 0},
    ),
    "recording the failure fails": FailureScenario(
        {"CheckRun": [BUG], "ledger FAILED": [LEDGER_DOWN]},
        "CheckRun",
        BUG.name,
    ),
    "recording the published run fails": FailureScenario(
        {"ledger PUBLISHED": [LEDGER_DOWN]},
        "RecordPublished",
        LEDGER_DOWN.name,
        "The run is PUBLISHED and does not need to be repeated. Its ledger item still has the"
        " status RUNNING, which the watchdog will correct: ",
        is_reported=False,
    ),
}


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Engine:
    return Engine(monkeypatch)


def _call_counts(result: ExecutionResult, calls: Mapping[str, int]) -> dict[str, int]:
    return {call: len(result.arguments_of(call)) for call in calls}


@pytest.mark.parametrize("name", SUCCESS_SCENARIOS)
def test_successful_run(name: str, engine: Engine) -> None:
    scenario = SUCCESS_SCENARIOS[name]
    result = engine.run(name, {**SUCCESS, **scenario.responses}, BATCH)

    assert (result.status, result.error, result.cause) == ("SUCCEEDED", "", "")
    assert result.output == {"run_id": RUN_ID, "status": scenario.status}
    assert result.calls[-1][0] == f"ledger {scenario.status}"
    assert result.arguments_of("terminateCluster")[-1] == {"ClusterId": "j-1"}
    expected = {"ReportFailure": 0, "ledger FAILED": 0, **scenario.call_counts}
    assert _call_counts(result, expected) == expected


@pytest.mark.parametrize("publish", [True, False])
def test_input_decides_whether_readers_may_see_the_run(publish: bool, engine: Engine) -> None:
    responses = {**SUCCESS, "PublishResults": [{"status": "VERIFIED"}], "ledger VERIFIED": [{}]}
    result = engine.run(f"publish {publish}", responses, {**BATCH, "publish": publish})
    assert result.output == {"run_id": RUN_ID, "status": "VERIFIED"}
    [payload] = result.arguments_of("PublishResults")
    assert payload["publish"] is publish


def test_failed_verification_is_reported_as_such(engine: Engine) -> None:
    responses = {**SUCCESS, "CheckRun": [BUG]}
    result = engine.run("failed verification", responses, {**BATCH, "publish": False})
    [payload] = result.arguments_of("ReportFailure")
    assert payload["publish"] is False


def test_unclear_request_not_to_publish_starts_no_cluster(engine: Engine) -> None:
    """Publishing a run by mistake would be worse than not running it."""
    result = engine.run("unclear request", SUCCESS, {**BATCH, "publish": "false"})
    assert (result.status, result.error) == ("FAILED", "States.QueryEvaluationError")
    assert "publish in the input must be true or false" in result.cause
    assert result.arguments_of("createCluster") == []
    assert len(result.arguments_of("ReportFailure")) == 1


def test_calls_follow_the_order_of_the_design(engine: Engine) -> None:
    result = engine.run("call order", SUCCESS, BATCH)
    calls = [call for call, _ in result.calls if not call.startswith("addStep")]
    assert calls == [
        "ledger RUNNING",
        "take slot",
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


@pytest.mark.parametrize("name", FAILURE_SCENARIOS)
def test_failed_run(name: str, engine: Engine) -> None:
    scenario = FAILURE_SCENARIOS[name]
    result = engine.run(name, {**SUCCESS, **scenario.responses}, BATCH)

    assert (result.status, result.error) == ("FAILED", scenario.error)
    assert result.cause.startswith(f"{scenario.state}: ")
    assert scenario.cause in result.cause
    assert len(result.cause) < 10_000
    terminations = result.arguments_of("terminateCluster")
    assert terminations == [{"ClusterId": "j-1"}] * scenario.terminations
    assert _call_counts(result, scenario.call_counts) == scenario.call_counts
    if scenario.is_reported:
        _assert_reported(result, scenario)
    else:
        expected = {"ReportFailure": 0, "ledger FAILED": 0}
        assert _call_counts(result, expected) == expected


def _assert_reported(result: ExecutionResult, scenario: FailureScenario) -> None:
    """Assert that the failure is reported once, then recorded in the ledger, and nothing else.

    A failure that cannot be reported is not recorded.
    """
    (report,) = result.arguments_of("ReportFailure")
    assert report["run_id"] == RUN_ID
    assert report["batch"] == BATCH["batch"]
    is_created = scenario.terminations > 0
    assert report["cluster_id"] == ("j-1" if is_created else None)
    failure = report["failure"]
    assert (failure["state"], failure["error"]) == (scenario.state, scenario.error)
    assert f"{failure['state']}: {failure['cause']}" == result.cause

    calls = [call for call, _ in result.calls]
    if not scenario.call_counts.get("ledger FAILED", 1):
        assert calls[-1] == "ReportFailure"
        return
    assert calls[-2:] == ["ReportFailure", "ledger FAILED"]
    recorded = result.arguments_of("ledger FAILED")[0]["ExpressionAttributeValues"]
    assert recorded[":error"] == {"S": scenario.error}
    assert recorded[":cause"] == {"S": result.cause}
    assert recorded[":batch"] == {"S": BATCH["batch"]}
    assert recorded[":claimed_at"] == {"S": BATCH["claimed_at"]}


def test_incomplete_input_is_reported_like_any_failure(engine: Engine) -> None:
    result = engine.run("empty input", SUCCESS, {})
    assert (result.status, result.error) == ("FAILED", "States.QueryEvaluationError")
    assert result.cause.startswith("RecordStarted: ")
    assert [call for call, _ in result.calls] == ["ReportFailure", "ledger FAILED"]
    assert result.arguments_of("ReportFailure")[0]["batch"] is None
    recorded = result.arguments_of("ledger FAILED")[0]["ExpressionAttributeValues"]
    assert recorded[":batch"] == recorded[":claimed_at"] == {"S": ""}
