"""Tests of the watchdog's handling of executions that ended without a notification.

moto can only abort executions, so the tests change the states of its objects.
"""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from handlers.report_failure import handler as report_failure
from pipeline.clock import utc_now
from pipeline.ledger.run_slots import RunSlots
from pipeline.recovery.sweep_result import SweepError
from tests.functional.conftest import Cloud, Context
from tests.support.aws_calls import fail_calls, watch_calls
from tests.support.ended_runs import (
    create_cluster,
    end_execution,
    get_cluster_state,
    set_cluster_id,
    start_execution,
)
from tests.support.events import load_event
from tests.support.snapshots import unfold
from tests.support.watchdog import BATCH, LONG_AGO, get_run_item, put_run_item, run_watchdog


@pytest.mark.parametrize(
    ("name", "subject", "text"),
    [
        (
            "status_aborted",
            "Rental KPIs aborted: 2026-09",
            "The execution was aborted: Maintenance: The subnet is being moved",
        ),
        ("status_timed_out", "Rental KPIs timed out: 2026-10", "The execution timed out."),
        (
            "status_failed",
            "Rental KPIs failed: 2026-11",
            "with a runtime error. An error occurred while executing the state 'PlanCluster'",
        ),
    ],
)
@pytest.mark.parametrize("is_recorded", [True, False])
def test_execution_without_notification_is_recorded_and_reported_once(
    cloud: Cloud, name: str, subject: str, text: str, *, is_recorded: bool
) -> None:
    event = load_event(name)
    detail = event["detail"]
    run, batch = detail["name"], json.loads(detail["input"])["batch"]
    # The API still returns the status before the event: RUNNING.
    start_execution(cloud.state_machine_arn, run, detail["input"])
    cluster = create_cluster(run)
    if is_recorded:
        put_run_item(cloud, run)
    assert run_watchdog(event)["ended_runs"] == [run]
    item = get_run_item(cloud, run)
    assert item["status"] == "FAILED"
    assert item["batch"] == (BATCH if is_recorded else batch)
    assert text in item["cause"]
    assert item["ended_at"] <= utc_now()
    assert item["execution_arn"] == detail["executionArn"]
    assert item["expiration"] > 1_795_461_125
    assert get_cluster_state(cluster) == "TERMINATED"
    ((email_subject, body),) = cloud.emails()
    assert email_subject == subject
    assert text in unfold(body)
    expected = f"Cluster {cluster} of the run was still running and is being terminated."
    assert expected in unfold(body)
    assert f"\n./run rerun {run}\n" in body
    assert "Nothing was published" in body
    assert "#/v2/executions/details/" in body
    assert run_watchdog(event)["ended_runs"] == []
    assert run_watchdog()["ended_runs"] == []
    assert cloud.emails() == []
    assert get_run_item(cloud, run) == item


def test_aborted_verification_is_reported_as_a_test(cloud: Cloud) -> None:
    event = load_event("status_aborted")
    detail = event["detail"]
    detail["input"] = json.dumps(json.loads(detail["input"]) | {"publish": False})
    run_watchdog(event)
    ((subject, body),) = cloud.emails()
    assert subject == "[Test] Rental KPIs aborted: 2026-09"
    assert "./run verify --stack rental-kpi\n" in body
    assert "./run rerun" not in body


def test_email_names_all_clusters_of_run(cloud: Cloud) -> None:
    event = load_event("status_aborted")
    run = event["detail"]["name"]
    start_execution(cloud.state_machine_arn, run, event["detail"]["input"])
    clusters = {create_cluster(run), create_cluster(run)}
    run_watchdog(event)
    ((_, body),) = cloud.emails()
    sentence = "Clusters (.+) of the run were still running and are being"
    [names] = re.findall(sentence, unfold(body))
    assert set(names.split(", ")) == clusters


def test_watchdog_does_not_repeat_email_of_report_failure(cloud: Cloud) -> None:
    event = load_event("status_failed")
    run = event["detail"]["name"]
    failure = load_event("report_failure")
    assert failure["run_id"] == run
    set_cluster_id(create_cluster(run), failure["cluster_id"])
    report_failure(failure, Context(remaining_ms=20_000))
    put_run_item(cloud, run, "FAILED")
    before = get_run_item(cloud, run)
    assert run_watchdog(event)["ended_runs"] == []
    assert get_run_item(cloud, run) == before
    ((subject, _),) = cloud.emails()
    assert "CheckRun" in subject


def test_watchdog_sends_email_that_report_failure_could_not_send(cloud: Cloud) -> None:
    event = load_event("status_failed")
    event["detail"] |= {
        "error": "RunRejectedError",
        "cause": 'CheckRun: {"errorMessage": "too many", "stackTrace": ["secret"]}',
    }
    put_run_item(cloud, event["detail"]["name"], "FAILED")
    run_watchdog(event)
    ((subject, body),) = cloud.emails()
    assert subject == "Rental KPIs failed: 2026-11 (CheckRun)"
    assert "RunRejectedError: too many" in body
    assert "secret" not in body


@pytest.mark.parametrize(
    ("is_invalid", "reason"),
    [
        (True, ": published_runs/2026-10-01T08-00-00.000000Z-back-to-x.json"),
        (False, " (AccessDenied)"),
    ],
)
def test_email_is_sent_if_published_run_cannot_be_read(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, reason: str, *, is_invalid: bool
) -> None:
    if is_invalid:
        cloud.put("published_runs/2026-10-01T08-00-00.000000Z-back-to-x.json", b"{}")
    else:
        fail_calls(monkeypatch, "ListObjectsV2")
    run_watchdog(load_event("status_failed"))
    ((_, body),) = cloud.emails()
    expected = f"The published run could not be read{reason}"
    # The key is longer than a line.
    assert expected.replace(" ", "") in unfold(body).replace(" ", "")


@pytest.mark.parametrize("status", ["FAILED", "TIMED_OUT", "ABORTED", None])
def test_scheduled_sweep_records_ended_runs(cloud: Cloud, status: str | None) -> None:
    if status:
        arn = start_execution(cloud.state_machine_arn, "run-1", json.dumps({"batch": BATCH}))
        end_execution(arn, status, "States.Runtime", "cause")
    start_execution(cloud.state_machine_arn, "run-2")
    for run in ("run-1", "run-2"):
        put_run_item(cloud, run)
    assert run_watchdog()["ended_runs"] == ["run-1"]
    assert get_run_item(cloud, "run-1")["status"] == "FAILED"
    assert get_run_item(cloud, "run-2")["status"] == "RUNNING"
    ((subject, _),) = cloud.emails()
    assert "2026-11" in subject
    assert run_watchdog()["ended_runs"] == []
    assert cloud.emails() == []


@pytest.mark.parametrize(
    ("status", "cause", "output", "recorded_status"),
    [
        ("SUCCEEDED", "", '{"status": "PUBLISHED"}', "PUBLISHED"),
        ("SUCCEEDED", "", '{"status": "SUPERSEDED"}', "SUPERSEDED"),
        ("SUCCEEDED", "", None, "PUBLISHED"),
        ("FAILED", "RecordPublished: The run is SUPERSEDED and does not need", None, "SUPERSEDED"),
        ("FAILED", "RecordPublished: The run is PUBLISHED and does not need", None, "PUBLISHED"),
        ("FAILED", "RecordPublished: The run is VERIFIED and does not need", None, "VERIFIED"),
    ],
)
def test_run_with_results_is_recorded_without_email(
    cloud: Cloud, status: str, cause: str, output: str | None, recorded_status: str
) -> None:
    arn = start_execution(cloud.state_machine_arn, "run-1")
    put_run_item(cloud, "run-1")
    end_execution(arn, status, "DynamoDB.Error", cause, output)
    assert run_watchdog()["ended_runs"] == ["run-1"]
    assert get_run_item(cloud, "run-1")["status"] == recorded_status
    assert cloud.emails() == []


def test_concurrently_recorded_end_is_kept(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    arn = start_execution(cloud.state_machine_arn, "run-1")
    put_run_item(cloud, "run-1")

    def publish(operation: str, *_: Any) -> None:
        if operation == "Query" and get_run_item(cloud, "run-1")["status"] == "RUNNING":
            put_run_item(cloud, "run-1", "SUPERSEDED")
            end_execution(arn, "SUCCEEDED")

    watch_calls(monkeypatch, publish)
    assert run_watchdog()["ended_runs"] == []
    assert get_run_item(cloud, "run-1")["status"] == "SUPERSEDED"


def test_failed_email_is_sent_by_next_sweep(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    end_execution(start_execution(cloud.state_machine_arn, "run-1"), "FAILED")
    put_run_item(cloud, "run-1")
    with monkeypatch.context() as patch:
        fail_calls(patch, "Publish")
        with pytest.raises(SweepError, match="run run-1: ClientError"):
            run_watchdog()
    assert get_run_item(cloud, "run-1")["status"] == "RUNNING"
    assert run_watchdog()["ended_runs"] == ["run-1"]
    assert len(cloud.emails()) == 1


@pytest.mark.parametrize("status", ["ABORTED", "TIMED_OUT", "FAILED"])
def test_run_that_ended_before_it_recorded_its_start_is_found_by_its_slot(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, status: str
) -> None:
    """The event about the end of its execution is lost, too."""
    execution_input = json.dumps({"batch": BATCH, "claimed_at": LONG_AGO})
    arn = start_execution(cloud.state_machine_arn, "run-1", execution_input)
    _take_slot(cloud, "run-1")
    assert run_watchdog()["ended_runs"] == []
    end_execution(arn, status, "Stopped", "by a test")
    with monkeypatch.context() as patch:
        fail_calls(patch, "Publish")
        with pytest.raises(SweepError, match="slot of run run-1: ClientError"):
            run_watchdog()
    assert _has_slot(cloud, "run-1")  # so that the next sweep finds the run again
    assert run_watchdog()["ended_runs"] == ["run-1"]
    item = get_run_item(cloud, "run-1")
    assert (item["status"], item["batch"]) == ("FAILED", BATCH)
    ((subject, _),) = cloud.emails()
    assert subject.endswith(": 2026-11")
    assert not _has_slot(cloud, "run-1")
    assert run_watchdog()["ended_runs"] == []
    assert cloud.emails() == []


def test_slot_is_released_if_the_run_is_recorded_and_only_its_email_fails(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next sweep finds such a run in the ledger. Meanwhile, it does not block other runs."""
    end_execution(start_execution(cloud.state_machine_arn, "run-1"), "FAILED")
    put_run_item(cloud, "run-1")
    _take_slot(cloud, "run-1")
    with monkeypatch.context() as patch:
        fail_calls(patch, "Publish")
        with pytest.raises(SweepError, match=r"^run run-1: ClientError$"):
            run_watchdog()
    assert not _has_slot(cloud, "run-1")
    assert run_watchdog()["ended_runs"] == ["run-1"]


def _take_slot(cloud: Cloud, run_id: str) -> None:
    assert RunSlots(cloud.ledger, maximum=4).acquire(run_id)


def _has_slot(cloud: Cloud, run_id: str) -> bool:
    return run_id in RunSlots(cloud.ledger, maximum=4).list_runs()


def test_events_of_other_state_machines_are_ignored(cloud: Cloud) -> None:
    event = load_event("status_failed")
    event["detail"]["stateMachineArn"] = cloud.state_machine_arn + "-2"
    assert run_watchdog(event)["ended_runs"] == []
    assert cloud.emails() == []
