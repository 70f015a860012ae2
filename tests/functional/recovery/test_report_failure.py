"""What is found out and mailed about a run that failed.

moto knows neither FAILED steps nor FailureDetails: its own objects are put into these states. It
stands for EMR's, S3's and SNS's answers, not for when EMR's logs really come.
"""

from __future__ import annotations

import copy
import json
import subprocess
from pathlib import Path
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
    create_cluster,
    set_cluster_id,
    set_cluster_state,
    start_execution,
    compress_log,
    step_log_key,
)
from tests.support.events import load_event

RUN = "2026-11-3f1c0a9be2d45c7780aa"
PROGRESS = "2026-11-23 19:05:31,123 transformation_job: [1/8] users: reading and cleaning"
NOT_UTF8 = "2026-11-23 19:05:40,007 transformation_job: users.csv is not UTF-8 from byte 1048600 on"
NOISE = "26/11/23 19:05:39 ERROR Executor: bad row ada@example.org,+44 7700 900123"


def _report(event: dict[str, Any], remaining_ms: int = 20_000) -> bool:
    answer: Any = handler(event, Context(remaining_ms=remaining_ms))
    assert set(answer) == {"email_sent"}
    return bool(answer["email_sent"])


def _event(name: str = "report_failure_step", **changes: Any) -> dict[str, Any]:
    return {**copy.deepcopy(load_event(name)), **changes}


def _failed_step(cloud: Cloud, log: bytes | None, details: dict[str, str] | None = None) -> str:
    """A cluster whose transformation failed and whose other job was cancelled; the cluster's id."""
    cluster = create_cluster(RUN)
    add_step(cluster, "kpis", "CANCELLED")
    step = add_step(cluster, "transformation_job", "FAILED", details)
    set_cluster_state(cluster, "TERMINATED")
    if log is not None:
        cloud.put(step_log_key(cluster, step), log)
    return cluster


def test_a_failed_step_is_told_with_all_that_helps(cloud: Cloud) -> None:
    log = compress_log(NOISE, PROGRESS, NOISE, NOT_UTF8, NOISE, "Command exiting with ret '2'")
    details = {"Reason": "Unknown Error.", "Message": "Application failed", "LogFile": "s3://x"}
    cluster = _failed_step(cloud, log, details)
    assert _report(_event(cluster_id=cluster))
    ((subject, body),) = cloud.emails()
    assert subject == "Rental KPIs failed: 2026-11 (RunJobs: transformation_job)"
    assert "found something for you to mend: users.csv is not UTF-8 from byte 1048600 on" in body
    assert f"run {RUN} of the batch raw/2026-11/ failed" in body
    assert "FAILED, exit code 2" in body
    assert "[1/8] users: reading and cleaning" in body
    assert "EMR: Unknown Error. Application failed" in body
    assert f"s3://rental-data/logs/emr/{cluster}/steps/s-" in body
    assert "kpis" in body
    assert "was not finished: CANCELLED" in body
    assert f"The cluster {cluster} was ended: TERMINATED." in body
    assert "Nothing was published" in body
    assert "#/v2/executions/details/arn:aws:states:" in body
    assert f":execution:{STACK}-pipeline:{RUN}\n" in body
    assert "upload all four files to raw/2026-11/" in body


def test_nothing_of_the_data_and_nothing_for_machines_is_told(cloud: Cloud) -> None:
    log = compress_log(NOISE, PROGRESS, "Traceback: kpis: x", NOISE, "Command exiting with ret '1'")
    _report(_event(cluster_id=_failed_step(cloud, log)))
    ((_, body),) = cloud.emails()
    for private in ("ada@example.org", "7700", "Executor", "Traceback", '"Step"', "stackTrace"):
        assert private not in body
    assert "to mend:" not in body


def test_the_command_in_the_mail_runs_the_same_input_again(cloud: Cloud, tmp_path: Path) -> None:
    """A stand-in for `aws` shows what a shell makes of the command."""
    _report(_event("report_failure_before_cluster"))
    ((_, body),) = cloud.emails()
    command = "aws" + body.split("To process the same files again:\n\naws")[1].split("\n\n")[0]
    content = json.dumps({"batch": "raw/Zürich 1+2 ($x)/", "files": []})
    stand_in = tmp_path / "aws"
    (tmp_path / "input.json").write_text(content, "utf-8")
    stand_in.write_text(
        '#!/bin/sh\n[ "$2" = describe-execution ] && exec cat "$INPUT"\nprintf "%s\\n" "$@"\n'
    )
    stand_in.chmod(0o755)
    shown = subprocess.run(
        ["/bin/sh", "-c", command],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin", "INPUT": str(tmp_path / "input.json")},
        capture_output=True,
        check=True,
        text=True,
    )
    given = shown.stdout.splitlines()
    assert given[:2] == ["stepfunctions", "start-execution"]
    options = dict(zip(given[2::2], given[3::2], strict=True))
    assert options == {
        "--state-machine-arn": cloud.state_machine_arn,
        "--name": f"{RUN}-2",
        "--input": content,
    }
    start_execution(options["--state-machine-arn"], options["--name"], options["--input"])
    assert f"{RUN}-2" in cloud.executions()


@pytest.mark.parametrize(
    ("run", "following"),
    [
        (RUN, f"{RUN}-2"),
        (f"{RUN}-2", f"{RUN}-3"),
        (f"{RUN}-19", f"{RUN}-20"),
        ("by-hand-7", "by-hand-7-2"),
    ],
)
def test_a_rerun_gets_the_next_name(run: str, following: str) -> None:
    assert next_run_name(run) == following


def test_a_failure_is_mailed_once(cloud: Cloud) -> None:
    event = _event("report_failure")
    set_cluster_id(create_cluster(RUN), event["cluster_id"])
    assert [_report(event), _report(event), _report(_event())] == [True, False, False]
    ((subject, body),) = cloud.emails()
    assert subject.startswith("Rental KPIs failed: 2026-11 (CheckRun")
    assert "RunRejectedError: 7.40 percent of the rentals were rejected" in body
    assert body.index("To correct the data") < body.index("start-execution")


def test_a_failure_before_there_is_a_cluster(cloud: Cloud) -> None:
    assert _report(_event("report_failure_before_cluster"))
    ((subject, body),) = cloud.emails()
    assert subject == "Rental KPIs failed: 2026-11 (PinInputs)"
    assert "It took longer than it may." in body
    assert "No cluster is known to be up" in body


def test_a_batch_that_is_not_known_is_no_obstacle(cloud: Cloud) -> None:
    failure = {"state": "RecordStarted", "error": "States.QueryEvaluationError", "cause": None}
    assert _report(_event(batch=None, cluster_id=None, failure=failure))
    ((subject, body),) = cloud.emails()
    assert subject == f"Rental KPIs failed: {RUN} (RecordStarted)"
    assert "an unknown batch" in body


@pytest.mark.parametrize(
    ("published", "words"),
    [
        ("2026-10-0", "Nothing was published: readers still see the run 2026-10-0."),
        (RUN, "readers may see its tables"),
        (None, "Nothing was published, and no earlier run was either."),
    ],
)
def test_what_readers_see_is_said(cloud: Cloud, published: str | None, words: str) -> None:
    if published:
        key = publication_key("2026-10-01T08:00:00.000000Z", published)
        cloud.put(key, json.dumps({"run_id": published}).encode())
    _report(_event("report_failure", cluster_id=None))
    assert words in cloud.emails()[0][1]


def test_a_pointer_that_somebody_spoiled_does_not_silence_the_mail(cloud: Cloud) -> None:
    for text in (b"", b"[]", b"{}", b"\xff"):
        cloud.put(publication_key("2026-10-01T08:00:00.000000Z", "back-to-x"), text)
        assert _report(_event(run_id=f"{RUN}-{len(text)}-{text.hex()}", cluster_id=None))
    for _, body in cloud.emails():
        assert "The published run could not be read (InvalidPointerError)." in body


def test_a_cluster_that_failed_by_itself_is_told(cloud: Cloud) -> None:
    cluster = create_cluster(RUN)
    reason = {"Code": "VALIDATION_ERROR", "Message": "The subnet has no free addresses"}
    set_cluster_state(cluster, "TERMINATED_WITH_ERRORS", reason)
    _report(_event(cluster_id=cluster))
    words = "The cluster failed by itself: VALIDATION_ERROR: The subnet has no free addresses"
    assert words in cloud.emails()[0][1]


def test_a_cluster_that_is_still_up_is_told(cloud: Cloud) -> None:
    cluster = create_cluster(RUN)
    _report(_event(cluster_id=cluster))
    assert f"The cluster {cluster} is still WAITING" in cloud.emails()[0][1]


def test_a_log_that_comes_late_is_waited_for(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = _failed_step(cloud, None)
    step = boto3.client("emr").list_steps(ClusterId=cluster, StepStates=["FAILED"])["Steps"][0]
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            cloud.put(step_log_key(cluster, step["Id"]), compress_log(PROGRESS, NOT_UTF8))

    monkeypatch.setattr("time.sleep", sleep)
    _report(_event(cluster_id=cluster), remaining_ms=300_000)
    assert len(waits) == 3
    assert "users.csv is not UTF-8" in cloud.emails()[0][1]


def test_while_the_cluster_is_up_a_log_without_its_end_is_waited_for(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = _failed_step(cloud, compress_log(PROGRESS))
    set_cluster_state(cluster, "RUNNING")
    step = boto3.client("emr").list_steps(ClusterId=cluster, StepStates=["FAILED"])["Steps"][0]
    whole = compress_log(PROGRESS, NOT_UTF8, "Command exiting with ret '2'")

    def sleep(_: float) -> None:
        cloud.put(step_log_key(cluster, step["Id"]), whole)

    monkeypatch.setattr("time.sleep", sleep)
    _report(_event(cluster_id=cluster), remaining_ms=300_000)
    assert "to mend: users.csv is not UTF-8" in cloud.emails()[0][1]


def test_a_log_that_never_comes_is_gone_without(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock of the waiting is the waiting itself: no test waits for it."""
    clock = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    monkeypatch.setattr("time.sleep", lambda seconds: clock.__setitem__(0, clock[0] + seconds))
    assert _report(_event(cluster_id=_failed_step(cloud, None)), remaining_ms=900_000)
    assert "its log was not there to be read" in cloud.emails()[0][1]
    assert 280 < clock[0] <= 300


@pytest.mark.parametrize(
    ("operations", "words"),
    [
        (["ListSteps"], "could not be read (AccessDenied)"),
        (["GetObject"], "The log of the step transformation_job could not be read (AccessDenied)"),
        (["DescribeCluster", "ListSteps"], "The steps of the cluster"),
        (["ListObjectsV2"], "The published run could not be read (AccessDenied)"),
    ],
)
def test_the_mail_goes_out_though_aws_refuses(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, operations: list[str], words: str
) -> None:
    cluster = _failed_step(cloud, compress_log(PROGRESS))
    fail_calls(monkeypatch, *operations)
    assert _report(_event(cluster_id=cluster), remaining_ms=300_000)
    assert words in cloud.emails()[0][1]


def test_the_jobs_words_are_found_in_stdout(cloud: Cloud) -> None:
    """Where Spark passes on what Python says; the exit code stands in the other log."""
    cluster = _failed_step(cloud, compress_log(NOISE, "Command exiting with ret '2'"))
    for step in boto3.client("emr").list_steps(ClusterId=cluster)["Steps"]:
        key = step_log_key(cluster, step["Id"]).replace("stderr", "stdout")
        cloud.put(key, compress_log(PROGRESS, NOT_UTF8, NOISE))
    _report(_event(cluster_id=cluster))
    ((_, body),) = cloud.emails()
    assert "found something for you to mend" in body
    assert "exit code 2" in body


@pytest.mark.parametrize(
    "log", [b"no gzip at all", compress_log(PROGRESS, *[NOISE] * 2000)[:-400], b""]
)
def test_a_broken_log_is_no_obstacle(cloud: Cloud, log: bytes) -> None:
    assert _report(_event(cluster_id=_failed_step(cloud, log)))
    assert "The logs: s3://" in cloud.emails()[0][1]


def test_of_a_long_log_the_end_is_told(cloud: Cloud) -> None:
    lines = [f"2026-11-23 19:05:31,123 transformation_job: line {n}" for n in range(5000)]
    wide = f"2026-11-23 19:05:32,123 transformation_job: {'x' * 5000}"
    _report(_event(cluster_id=_failed_step(cloud, compress_log(*lines, "y" * 100_000, wide))))
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
        # Cut at 8,000 characters by the state machine, and with its words behind.
        ("RunRejectedError", '{"errorMessage": "no rental', "RunRejectedError: no rental"),
        (
            "RunRejectedError",
            '{"errorMessage": "no rental"} In addition, the cluster j-1 could not be terminated: x',
            "RunRejectedError: no rental",
        ),
        ("Odd", '{"errorMessage": "\\u00', "Odd: \\u00"),
        ("States.Timeout", "", "It took longer than it may."),
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
def test_errors_in_plain_words(error: str, cause: str, message: str) -> None:
    assert Failure("CheckRun", error, cause).message == message
