"""Runs whose execution ended without a word: what the watchdog notes and tells of them.

moto can only abort executions: its own objects are put into the other states.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from handlers.report_failure import handler as report_failure
from pipeline.clock import utc_now
from pipeline.recovery.watchdog import SweepError
from tests.functional.conftest import Cloud, Context
from tests.support.aws_calls import fail_calls, watch_calls
from tests.support.ended_runs import (
    get_cluster_state,
    end_execution,
    create_cluster,
    set_cluster_id,
    start_execution,
)
from tests.support.events import load_event
from tests.support.watchdog import BATCH, put_run_item, get_run_item, run_watchdog


@pytest.mark.parametrize(
    ("name", "subject", "words"),
    [
        (
            "status_aborted",
            "Rental KPIs stopped: 2026-09",
            "Somebody stopped the execution, and said: Maintenance: The subnet is being moved",
        ),
        ("status_timed_out", "Rental KPIs timed out: 2026-10", "ran longer than it may"),
        (
            "status_failed",
            "Rental KPIs failed: 2026-11",
            "that it cannot work with. An error occurred while executing the state 'PlanCluster'",
        ),
    ],
)
@pytest.mark.parametrize("noted", [True, False])
def test_an_execution_that_ended_without_a_word_is_noted_and_told_once(
    cloud: Cloud, name: str, subject: str, words: str, *, noted: bool
) -> None:
    event = load_event(name)
    detail = event["detail"]
    run, batch = detail["name"], json.loads(detail["input"])["batch"]
    # The API is behind its own event and says RUNNING still.
    start_execution(cloud.state_machine_arn, run, detail["input"])
    cluster = create_cluster(run)
    if noted:
        put_run_item(cloud, run)
    assert run_watchdog(event)["ended_runs"] == [run]
    item = get_run_item(cloud, run)
    assert item["status"] == "FAILED"
    assert item["batch"] == (BATCH if noted else batch)
    assert words in item["cause"]
    assert item["ended_at"] <= utc_now()
    assert item["execution_arn"] == detail["executionArn"]
    assert item["expiration"] > 1_795_461_125
    assert get_cluster_state(cluster) == "TERMINATED"
    ((told, body),) = cloud.emails()
    assert told == subject
    assert words in body
    assert f"Its cluster {cluster} was still running and is being terminated." in body
    assert f"--name {run}-2" in body
    assert "Nothing was published" in body
    assert "#/v2/executions/details/" in body
    assert run_watchdog(event)["ended_runs"] == []
    assert run_watchdog()["ended_runs"] == []
    assert cloud.emails() == []
    assert get_run_item(cloud, run) == item


def test_what_report_failure_has_told_the_watchdog_does_not(cloud: Cloud) -> None:
    event = load_event("status_failed")
    run = event["detail"]["name"]
    caught = load_event("report_failure")
    assert caught["run_id"] == run
    set_cluster_id(create_cluster(run), caught["cluster_id"])
    report_failure(caught, Context(remaining_ms=20_000))
    put_run_item(cloud, run, "FAILED")
    before = get_run_item(cloud, run)
    assert run_watchdog(event)["ended_runs"] == []
    assert get_run_item(cloud, run) == before
    ((subject, _),) = cloud.emails()
    assert "CheckRun" in subject


def test_a_mail_that_report_failure_could_not_send_is_made_up_for(cloud: Cloud) -> None:
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


@pytest.mark.parametrize("is_spoiled", [True, False])
def test_that_nobody_knows_what_readers_see_does_not_silence_the_mail(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, is_spoiled: bool
) -> None:
    if is_spoiled:
        cloud.put("published_runs/2026-10-01T08:00:00.000000Z-back-to-x.json", b"")
    else:
        fail_calls(monkeypatch, "ListObjectsV2")
    run_watchdog(load_event("status_failed"))
    ((_, body),) = cloud.emails()
    assert "The published run could not be read (" in body


@pytest.mark.parametrize("status", ["FAILED", "TIMED_OUT", "ABORTED", None])
def test_by_the_clock_too_runs_are_settled(cloud: Cloud, status: str | None) -> None:
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
    ("status", "cause", "output", "noted"),
    [
        ("SUCCEEDED", "", '{"status": "PUBLISHED"}', "PUBLISHED"),
        ("SUCCEEDED", "", '{"status": "SUPERSEDED"}', "SUPERSEDED"),
        ("SUCCEEDED", "", None, "PUBLISHED"),
        ("FAILED", "RecordPublished: The run is SUPERSEDED and does not need", None, "SUPERSEDED"),
        ("FAILED", "RecordPublished: The run is PUBLISHED and does not need", None, "PUBLISHED"),
    ],
)
def test_a_run_that_came_to_its_results_is_noted_and_not_told(
    cloud: Cloud, status: str, cause: str, output: str | None, noted: str
) -> None:
    arn = start_execution(cloud.state_machine_arn, "run-1")
    put_run_item(cloud, "run-1")
    end_execution(arn, status, "DynamoDB.Error", cause, output)
    assert run_watchdog()["ended_runs"] == ["run-1"]
    assert get_run_item(cloud, "run-1")["status"] == noted
    assert cloud.emails() == []


def test_an_end_that_is_noted_meanwhile_stays(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    arn = start_execution(cloud.state_machine_arn, "run-1")
    put_run_item(cloud, "run-1")

    def publish(operation: str, *_: Any) -> None:
        if operation == "Scan" and get_run_item(cloud, "run-1")["status"] == "RUNNING":
            put_run_item(cloud, "run-1", "SUPERSEDED")
            end_execution(arn, "SUCCEEDED")

    watch_calls(monkeypatch, publish)
    assert run_watchdog()["ended_runs"] == []
    assert get_run_item(cloud, "run-1")["status"] == "SUPERSEDED"


def test_a_mail_that_fails_is_sent_by_the_next_patrol(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    end_execution(start_execution(cloud.state_machine_arn, "run-1"), "FAILED")
    put_run_item(cloud, "run-1")
    with monkeypatch.context() as broken:
        fail_calls(broken, "Publish")
        with pytest.raises(SweepError, match="run run-1: ClientError"):
            run_watchdog()
    assert get_run_item(cloud, "run-1")["status"] == "RUNNING"
    assert run_watchdog()["ended_runs"] == ["run-1"]
    assert len(cloud.emails()) == 1


def test_events_of_another_state_machine_are_not_ours(cloud: Cloud) -> None:
    event = load_event("status_failed")
    event["detail"]["stateMachineArn"] = cloud.state_machine_arn + "-2"
    assert run_watchdog(event)["ended_runs"] == []
    assert cloud.emails() == []
