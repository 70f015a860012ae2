"""Tests of the email about a failed run.

moto supports neither FAILED steps nor FailureDetails, so the tests change its objects. It simulates
the responses of EMR, S3, and SNS, but not the time at which EMR stores its logs.
"""

from __future__ import annotations

import copy
import json
from typing import Any

import boto3
import pytest

from contract.layout import publication_key
from handlers.report_failure import handler
from pipeline.recovery.failure_emails import next_run_name
from pipeline.recovery.failures import Failure
from tests.functional.conftest import STACK, Cloud, Context
from tests.support.aws_calls import fail_calls
from tests.support.ended_runs import (
    add_step,
    compress_log,
    create_cluster,
    set_cluster_id,
    set_cluster_state,
    step_log_key,
)
from tests.support.events import load_event
from tests.support.retry_clock import RetryClock
from tests.support.snapshots import unfold

RUN_ID = "2026-11-3f1c0a9be2d45c7780aa"
PROGRESS_LINE = "2026-11-23 19:05:31,123 transformation_job: [1/8] users: reading and cleaning"
ERROR_LINE = (
    "2026-11-23 19:05:40,007 transformation_job: users.csv is not UTF-8 from byte 1048600 on"
)
SPARK_LINE = "26/11/23 19:05:39 ERROR Executor: bad row ada@example.org,+44 7700 900123"


def _report(event: dict[str, Any], remaining_ms: int = 20_000) -> bool:
    response: Any = handler(event, Context(remaining_ms=remaining_ms))
    assert set(response) == {"email_sent"}
    return bool(response["email_sent"])


def _create_event(name: str = "report_failure_step", **changes: Any) -> dict[str, Any]:
    return {**copy.deepcopy(load_event(name)), **changes}


def _create_failed_cluster(
    cloud: Cloud, log: bytes | None, details: dict[str, str] | None = None
) -> str:
    """Create a cluster with a failed step and a canceled step, and return its ID.

    Args:
        cloud: The resources of the stack.
        log: Log of the failed step. None if EMR has not stored it yet.
        details: `FailureDetails` of the failed step.
    """
    cluster = create_cluster(RUN_ID)
    add_step(cluster, "kpis", "CANCELLED")
    step = add_step(cluster, "transformation_job", "FAILED", details)
    set_cluster_state(cluster, "TERMINATED")
    if log is not None:
        cloud.put(step_log_key(cluster, step), log)
    return cluster


def test_failed_step_is_described_with_log_and_next_steps(cloud: Cloud) -> None:
    log = compress_log(
        SPARK_LINE,
        PROGRESS_LINE,
        SPARK_LINE,
        ERROR_LINE,
        SPARK_LINE,
        "Command exiting with ret '2'",
    )
    details = {"Reason": "Unknown Error.", "Message": "Application failed", "LogFile": "s3://x"}
    cluster = _create_failed_cluster(cloud, log, details)
    assert _report(_create_event(cluster_id=cluster))
    ((subject, body),) = cloud.emails()
    assert subject == "Rental KPIs failed: 2026-11 (RunJobs: transformation_job)"
    text = unfold(body)
    assert "reported a problem with the input: users.csv is not UTF-8 from byte 1048600 on" in text
    state = "RunJobs (step transformation_job)"
    assert f"The run of this batch failed in state {state}: raw/2026-11/" in text
    assert "FAILED, exit code 2" in body
    assert "[1/8] users: reading and cleaning" in body
    assert "Reason given by EMR: Unknown Error. Application failed" in text
    assert f"s3://rental-data/logs/emr/{cluster}/steps/s-" in body
    assert "kpis" in body
    assert "did not complete: CANCELLED" in body
    assert f"Cluster {cluster} is no longer running: TERMINATED." in text
    assert "Nothing was published" in body
    assert "#/v2/executions/details/arn:aws:states:" in body
    assert f":execution:{STACK}-pipeline:{RUN_ID}\n" in body
    assert "upload all four files to the folder of the batch" in text


def test_email_contains_no_input_data_and_no_technical_details(cloud: Cloud) -> None:
    log = compress_log(
        SPARK_LINE, PROGRESS_LINE, "Traceback: kpis: x", SPARK_LINE, "Command exiting with ret '1'"
    )
    _report(_create_event(cluster_id=_create_failed_cluster(cloud, log)))
    ((_, body),) = cloud.emails()
    for excluded in ("ada@example.org", "7700", "Executor", "Traceback", '"Step"', "stackTrace"):
        assert excluded not in body
    assert "problem with the input:" not in body


def test_email_contains_command_that_repeats_run(cloud: Cloud) -> None:
    _report(_create_event("report_failure_before_cluster"))
    ((_, body),) = cloud.emails()
    assert f"To process the same files again:\n./run rerun {RUN_ID}\n" in body
    assert f"\nOn AWS, add --stack {STACK}\n" in body


@pytest.mark.parametrize(
    ("run_id", "next_name"),
    [
        (RUN_ID, f"{RUN_ID}-2"),
        (f"{RUN_ID}-2", f"{RUN_ID}-3"),
        (f"{RUN_ID}-19", f"{RUN_ID}-20"),
        ("manual-7", "manual-7-2"),
    ],
)
def test_repeated_run_gets_next_name(run_id: str, next_name: str) -> None:
    assert next_run_name(run_id) == next_name


def test_failure_sends_one_email(cloud: Cloud) -> None:
    event = _create_event("report_failure")
    set_cluster_id(create_cluster(RUN_ID), event["cluster_id"])
    assert [_report(event), _report(event), _report(_create_event())] == [True, False, False]
    ((subject, body),) = cloud.emails()
    assert subject.startswith("Rental KPIs failed: 2026-11 (CheckRun")
    text = f"RunRejectedError: run {RUN_ID}: 1,480 of 20,000 rentals were rejected (7.40%)"
    assert text in unfold(body)
    assert body.index("Correct the data") < body.index("./run rerun")


def test_failure_before_cluster_was_created(cloud: Cloud) -> None:
    assert _report(_create_event("report_failure_before_cluster"))
    ((subject, body),) = cloud.emails()
    assert subject == "Rental KPIs failed: 2026-11 (PinInputs)"
    assert "The state timed out." in body
    assert "No cluster is known to be running for this run." in unfold(body)


def test_failed_verification_is_reported_as_a_test(cloud: Cloud) -> None:
    assert _report(_create_event("report_failure_before_cluster", publish=False))
    ((subject, body),) = cloud.emails()
    assert subject == "[Test] Rental KPIs failed: 2026-11 (PinInputs)"
    assert f"To repeat it: ./run verify --stack {STACK} " in unfold(body)
    assert "./run rerun" not in body


def test_unknown_batch_is_reported(cloud: Cloud) -> None:
    failure = {"state": "RecordStarted", "error": "States.QueryEvaluationError", "cause": None}
    assert _report(_create_event(batch=None, cluster_id=None, failure=failure))
    ((subject, body),) = cloud.emails()
    assert subject == f"Rental KPIs failed: {RUN_ID} (RecordStarted)"
    assert body.startswith("A run failed in state RecordStarted.\n")


@pytest.mark.parametrize(
    ("published", "text"),
    [
        ("2026-10-0", "Nothing was published. Readers still see the numbers of: 2026-10-0"),
        (RUN_ID, "Readers see its numbers"),
        (None, "Nothing was published, and no earlier run was published either."),
    ],
)
def test_email_states_published_run(cloud: Cloud, published: str | None, text: str) -> None:
    if published:
        published_at = "2026-10-01T08:00:00.000000Z"
        record = {"run_id": published, "published_at": published_at}
        cloud.put(publication_key(published_at, published), json.dumps(record).encode())
    _report(_create_event("report_failure", cluster_id=None))
    assert text in unfold(cloud.emails()[0][1])


def test_email_states_that_another_run_was_published_after_the_failed_one(cloud: Cloud) -> None:
    for day, run_id in ((1, RUN_ID), (2, "2026-12-0")):
        published_at = f"2026-10-0{day}T08:00:00.000000Z"
        record = {"run_id": run_id, "published_at": published_at}
        cloud.put(publication_key(published_at, run_id), json.dumps(record).encode())
    _report(_create_event("report_failure", cluster_id=None))
    ((_, body),) = cloud.emails()
    text = "The run failed after it was published. Readers now see the numbers of: 2026-12-0"
    assert text in unfold(body)
    assert "Nothing was published" not in body


def test_email_is_sent_despite_invalid_publication_record(cloud: Cloud) -> None:
    key = publication_key("2026-10-01T08:00:00.000000Z", "back-to-x")
    for content in (b"[", b"[]", b"{}", b"\xff"):
        cloud.put(key, content)
        assert _report(
            _create_event(run_id=f"{RUN_ID}-{len(content)}-{content.hex()}", cluster_id=None)
        )
    for _, body in cloud.emails():
        text = unfold(body).replace(" ", "")  # the key is longer than a line
        expected = f"run could not be read: {key} is not a valid publication record ("
        assert expected.replace(" ", "") in text
        assert "):correctitordeleteit." in text


def test_email_names_all_failed_steps(cloud: Cloud) -> None:
    cluster = create_cluster(RUN_ID)
    for name in ("transformation_job", "kpis"):
        step = add_step(cluster, name, "FAILED")
        cloud.put(step_log_key(cluster, step), compress_log(ERROR_LINE))
    set_cluster_state(cluster, "TERMINATED")
    _report(_create_event(cluster_id=cluster))
    ((subject, body),) = cloud.emails()
    assert subject.endswith("(RunJobs: kpis, transformation_job)")
    assert "failed in state RunJobs (steps kpis, transformation_job):" in unfold(body)


def test_email_describes_cluster_failure(cloud: Cloud) -> None:
    cluster = create_cluster(RUN_ID)
    reason = {"Code": "VALIDATION_ERROR", "Message": "The subnet has no free addresses"}
    set_cluster_state(cluster, "TERMINATED_WITH_ERRORS", reason)
    _report(_create_event(cluster_id=cluster))
    text = "The cluster failed: VALIDATION_ERROR: The subnet has no free addresses"
    assert text in unfold(cloud.emails()[0][1])


def test_email_mentions_running_cluster(cloud: Cloud) -> None:
    cluster = create_cluster(RUN_ID)
    _report(_create_event(cluster_id=cluster))
    assert f"Cluster {cluster} is still in state WAITING" in unfold(cloud.emails()[0][1])


def test_late_log_is_waited_for(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = _create_failed_cluster(cloud, None)
    step = boto3.client("emr").list_steps(ClusterId=cluster, StepStates=["FAILED"])["Steps"][0]

    def put_log() -> None:
        if len(clock.waits) == 3:
            cloud.put(step_log_key(cluster, step["Id"]), compress_log(PROGRESS_LINE, ERROR_LINE))

    clock = RetryClock(on_sleep=put_log).install(monkeypatch)
    _report(_create_event(cluster_id=cluster), remaining_ms=300_000)
    assert len(clock.waits) == 3
    assert "users.csv is not UTF-8" in unfold(cloud.emails()[0][1])


def test_incomplete_log_of_running_cluster_is_waited_for(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = _create_failed_cluster(cloud, compress_log(PROGRESS_LINE))
    set_cluster_state(cluster, "RUNNING")
    step = boto3.client("emr").list_steps(ClusterId=cluster, StepStates=["FAILED"])["Steps"][0]
    complete_log = compress_log(PROGRESS_LINE, ERROR_LINE, "Command exiting with ret '2'")

    def put_log() -> None:
        cloud.put(step_log_key(cluster, step["Id"]), complete_log)

    RetryClock(on_sleep=put_log).install(monkeypatch)
    _report(_create_event(cluster_id=cluster), remaining_ms=300_000)
    assert "problem with the input: users.csv is not UTF-8" in unfold(cloud.emails()[0][1])


def test_email_is_sent_without_missing_log(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = RetryClock().install(monkeypatch)
    assert _report(
        _create_event(cluster_id=_create_failed_cluster(cloud, None)), remaining_ms=900_000
    )
    assert "The job's log was not available when this email was sent." in unfold(
        cloud.emails()[0][1]
    )
    assert 280 < clock.now <= 300


@pytest.mark.parametrize(
    ("operations", "text"),
    [
        (["ListSteps"], "could not be read (AccessDenied)"),
        (["GetObject"], "The log of step transformation_job could not be read (AccessDenied)"),
        (["DescribeCluster", "ListSteps"], "The steps of cluster"),
        (["ListObjectsV2"], "The published run could not be read (AccessDenied)"),
    ],
)
def test_email_is_sent_despite_aws_errors(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, operations: list[str], text: str
) -> None:
    cluster = _create_failed_cluster(cloud, compress_log(PROGRESS_LINE))
    fail_calls(monkeypatch, *operations)
    assert _report(_create_event(cluster_id=cluster), remaining_ms=300_000)
    assert text in unfold(cloud.emails()[0][1])


def test_messages_of_job_are_read_from_stdout(cloud: Cloud) -> None:
    """Spark writes the messages of Python to stdout. The exit code is in stderr."""
    cluster = _create_failed_cluster(
        cloud, compress_log(SPARK_LINE, "Command exiting with ret '2'")
    )
    for step in boto3.client("emr").list_steps(ClusterId=cluster)["Steps"]:
        key = step_log_key(cluster, step["Id"]).replace("stderr", "stdout")
        cloud.put(key, compress_log(PROGRESS_LINE, ERROR_LINE, SPARK_LINE))
    _report(_create_event(cluster_id=cluster))
    ((_, body),) = cloud.emails()
    assert "reported a problem with the input" in unfold(body)
    assert "exit code 2" in body


@pytest.mark.parametrize(
    "log", [b"not gzip", compress_log(PROGRESS_LINE, *[SPARK_LINE] * 2000)[:-400], b""]
)
def test_email_is_sent_despite_damaged_log(cloud: Cloud, log: bytes) -> None:
    assert _report(_create_event(cluster_id=_create_failed_cluster(cloud, log)))
    assert "Logs: s3://" in unfold(cloud.emails()[0][1])


def test_email_contains_end_of_long_log(cloud: Cloud) -> None:
    lines = [f"2026-11-23 19:05:31,123 transformation_job: line {n}" for n in range(5000)]
    long_line = f"2026-11-23 19:05:32,123 transformation_job: {'x' * 5000}"
    _report(
        _create_event(
            cluster_id=_create_failed_cluster(cloud, compress_log(*lines, "y" * 100_000, long_line))
        )
    )
    ((_, body),) = cloud.emails()
    assert "line 4999" in body
    assert "line 4990" not in body
    assert len(body) < 6000


@pytest.mark.parametrize(
    ("error", "cause", "message"),
    [
        (
            "QueryFailedError",
            json.dumps({"errorMessage": 'no table "x"\nat all', "stackTrace": ["secret"]}),
            'QueryFailedError: no table "x" at all',
        ),
        # The state machine truncates causes after 8,000 characters, and appends text of its own.
        ("RunRejectedError", '{"errorMessage": "no rental', "RunRejectedError: no rental"),
        (
            "RunRejectedError",
            '{"errorMessage": "no rental"}; in addition, the cluster j-1 could not be terminated',
            "RunRejectedError: no rental",
        ),
        ("Unexpected", '{"errorMessage": "\\u00', "Unexpected: \\u00"),
        ("States.Timeout", "", "The state timed out."),
        (
            "EMR.AmazonElasticMapReduceException",
            "Bad subnet",
            "EMR.AmazonElasticMapReduceException: Bad subnet",
        ),
        ("States.TaskFailed", '{"Step": {"Args": ["secret"]}}', "The task failed."),
        ("", "", "No reason was given."),
        ("Long", "x" * 5000, f"Long: {'x' * 997}..."),
    ],
)
def test_failure_message(error: str, cause: str, message: str) -> None:
    assert Failure("CheckRun", error, cause).message == message
