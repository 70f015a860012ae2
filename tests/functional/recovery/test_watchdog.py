"""Tests of the watchdog's sweep.

moto can only abort executions and confirms every subscription, so the tests change the states of
its objects. Tests of races cover the order of the watchdog's calls, but not delays within AWS.
"""

from __future__ import annotations

import json
from typing import Any

import boto3
import pytest
from moto.sns.models import sns_backends

from handlers.watchdog import handler
from pipeline.clock import utc_now
from pipeline.ledger.batch import BatchFile, new_run
from pipeline.notifications.figures import format_time
from pipeline.recovery.sweep_result import SweepError
from tests.functional.conftest import REGION, Cloud, Context
from tests.support.aws_calls import Crash, fail_calls, watch_calls
from tests.support.broken_files import VALID_FILES
from tests.support.ended_runs import (
    ACCOUNT,
    backdate_clusters,
    create_cluster,
    end_execution,
    get_cluster_state,
    set_cluster_state,
    start_execution,
)
from tests.support.events import load_event
from tests.support.snapshots import unfold
from tests.support.watchdog import BATCH, LONG_AGO, get_run_item, put_run_item, run_watchdog

FILES = {
    "users": "users.csv",
    "vehicles": "vehicles.csv",
    "locations": "locations.csv",
    "rentals": "rental_transactions.csv",
}


def _put_file(
    cloud: Cloud, dataset: str, batch: str = BATCH, order: str = "0A", uploaded_at: str = LONG_AGO
) -> BatchFile:
    """Put a file into the bucket, and return it as the ledger records it."""
    key = batch + FILES[dataset]
    version = cloud.put(key, VALID_FILES[FILES[dataset]])
    return BatchFile(dataset, key, version, 10, order, uploaded_at)


def _read_metrics(output: str) -> dict[str, float]:
    """Return the metrics that a function printed, by name."""
    lines = [json.loads(line) for line in output.splitlines() if '"_aws"' in line]
    return {
        metric["Name"]: line[metric["Name"]][0]
        for line in lines
        for group in line["_aws"]["CloudWatchMetrics"]
        for metric in group["Metrics"]
    }


def _list_messages(caplog: pytest.LogCaptureFixture, level: str) -> list[str]:
    """Return the messages that the watchdog logged at a level."""
    records = [record for record in caplog.records if record.name == "watchdog"]
    return [record.getMessage() for record in records if record.levelname == level]


# Clusters


def test_clusters_without_running_execution_are_terminated(
    cloud: Cloud, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    for run in ("failed", "aborted"):
        arn = start_execution(cloud.state_machine_arn, run)
        end_execution(arn, run.upper())
    orphaned = {create_cluster(run): run for run in ("failed", "aborted", "never-started", None)}
    backdate_clusters(*orphaned)
    for cluster, state in zip(
        orphaned, ("STARTING", "BOOTSTRAPPING", "RUNNING", "WAITING"), strict=True
    ):
        set_cluster_state(cluster, state)
    result = run_watchdog()
    assert result["terminated_clusters"] == sorted(orphaned)
    assert {get_cluster_state(cluster) for cluster in orphaned} == {"TERMINATED"}
    assert _read_metrics(capsys.readouterr().out)["OrphanedClusters"] == 4
    assert len(_list_messages(caplog, "WARNING")) == 4
    assert run_watchdog()["terminated_clusters"] == []


def test_clusters_of_running_executions_and_of_other_owners_keep_running(cloud: Cloud) -> None:
    start_execution(cloud.state_machine_arn, "running")
    others = [
        create_cluster("running"),
        create_cluster("unknown", stack="another-stack"),
        create_cluster(None, stack=None),
        create_cluster("unknown", stack="rental-kpi-2"),
    ]
    assert run_watchdog()["terminated_clusters"] == []
    assert {get_cluster_state(cluster) for cluster in others} == {"WAITING"}


@pytest.mark.usefixtures("cloud")
def test_new_cluster_of_unknown_execution_keeps_running() -> None:
    """Step Functions may return an execution only some time after its start."""
    cluster = create_cluster("just-started")
    assert run_watchdog()["terminated_clusters"] == []
    assert get_cluster_state(cluster) == "WAITING"
    backdate_clusters(cluster)
    assert run_watchdog()["terminated_clusters"] == [cluster]


def test_all_pages_of_clusters_are_read(cloud: Cloud) -> None:
    start_execution(cloud.state_machine_arn, "running")
    for _ in range(60):  # EMR returns 50 clusters per page
        create_cluster("running")
    orphaned = {create_cluster("never-started") for _ in range(60)}
    backdate_clusters(*orphaned)
    assert set(run_watchdog()["terminated_clusters"]) == orphaned


def test_cluster_created_during_sweep_keeps_running(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Clusters are listed first, so each one in the list belongs to a started execution."""
    backdate_clusters(create_cluster("old"))
    created: list[str] = []

    def start_another(operation: str, *_: Any) -> None:
        if operation == "ListClusters" and not created:
            created.append("")
            start_execution(cloud.state_machine_arn, "new")
            created.append(create_cluster("new"))

    watch_calls(monkeypatch, start_another)
    assert len(run_watchdog()["terminated_clusters"]) == 1
    assert get_cluster_state(created[1]) == "WAITING"


def test_each_cluster_is_terminated_by_its_own_call(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    protected, orphaned = create_cluster("gone-1"), create_cluster("gone-2")
    backdate_clusters(protected, orphaned)
    boto3.client("emr").set_termination_protection(
        JobFlowIds=[protected], TerminationProtected=True
    )
    requested: list[list[str]] = []

    def record(operation: str, arguments: dict[str, Any], _: Any) -> None:
        if operation == "TerminateJobFlows":
            requested.append(arguments["JobFlowIds"])

    watch_calls(monkeypatch, record)
    with pytest.raises(SweepError, match=f"cluster {protected}"):
        run_watchdog()
    assert get_cluster_state(orphaned) == "TERMINATED"
    assert get_cluster_state(protected) == "WAITING"
    assert requested == [[orphaned]]
    assert cloud.emails() == []


# Batches


def test_runs_of_complete_batches_and_claimed_runs_are_started(cloud: Cloud) -> None:
    ledger = cloud.batches
    for batch in ("raw/complete/", "raw/claimed/"):
        for dataset in FILES:
            ledger.record_valid(batch, _put_file(cloud, dataset, batch), LONG_AGO)
    claimed = ledger.get_batch("raw/claimed/")
    run = new_run("raw/claimed/", claimed.files, LONG_AGO)
    assert ledger.claim(run, claimed)
    ledger.record_valid("raw/incomplete/", _put_file(cloud, "users", "raw/incomplete/"), utc_now())
    started = run_watchdog()["started_runs"]
    assert len(started) == 2
    assert run.run_id in started
    assert set(cloud.executions()) == set(started)
    assert run_watchdog()["started_runs"] == []
    assert cloud.emails() == []


def test_sweep_without_time_for_all_batches_starts_waiting_runs(
    cloud: Cloud, caplog: pytest.LogCaptureFixture
) -> None:
    ledger = cloud.batches
    for dataset in FILES:
        ledger.record_valid("raw/claimed/", _put_file(cloud, dataset, "raw/claimed/"), LONG_AGO)
    claimed = ledger.get_batch("raw/claimed/")
    run = new_run("raw/claimed/", claimed.files, LONG_AGO)
    assert ledger.claim(run, claimed)
    ledger.record_valid(BATCH, _put_file(cloud, "users"), LONG_AGO)
    result = handler(load_event("schedule"), Context(remaining_ms=10_000))
    assert result["started_runs"] == [run.run_id]
    assert result["incomplete_batches"] == []
    assert "The next sweeps check the remaining open batches" in _list_messages(caplog, "WARNING")
    assert run_watchdog()["incomplete_batches"] == [BATCH]


def test_incomplete_batch_is_reported_once_per_claim(cloud: Cloud) -> None:
    ledger = cloud.batches
    ledger.record_valid(BATCH, _put_file(cloud, "users"), LONG_AGO)
    ledger.record_rejected(
        BATCH, _put_file(cloud, "rentals"), "the column rental_id is missing", LONG_AGO
    )
    ledger.record_valid("raw/new/", _put_file(cloud, "users", "raw/new/"), utc_now())
    assert run_watchdog()["incomplete_batches"] == [BATCH]
    ((subject, body),) = cloud.emails()
    assert subject.startswith("Batch incomplete: raw/2026-11/ is missing vehicles.csv")
    assert f"users.csv: valid, {format_time(LONG_AGO)}" in body
    assert "vehicles.csv: missing\n" in body
    assert "rental_transactions.csv: newest rejected\n> the column rental_id is missing\n" in body
    assert run_watchdog()["incomplete_batches"] == []
    assert cloud.emails() == []
    # The next batch with the same prefix is reported separately.
    for dataset in ("vehicles", "locations", "rentals"):
        ledger.record_valid(BATCH, _put_file(cloud, dataset), LONG_AGO)
    run_watchdog()
    later = "2026-11-02T08:00:00.000000Z"
    next_file = _put_file(cloud, "users", order="0B", uploaded_at=later)
    ledger.record_valid(BATCH, next_file, later)
    assert run_watchdog()["incomplete_batches"] == [BATCH]
    assert len(cloud.emails()) == 1


def test_interrupted_report_is_completed_without_another_email(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first sweep crashes when it has recorded only one of the batches as reported."""
    prefixes = [f"raw/{name}/" for name in "abc"]
    for prefix in prefixes:
        cloud.batches.record_valid(prefix, _put_file(cloud, "users", prefix), LONG_AGO)

    def crash(operation: str, arguments: dict[str, Any], _: Any) -> None:
        if "SET reported_since" in arguments.get("UpdateExpression", ""):
            raise Crash(operation)

    with monkeypatch.context() as patch:
        watch_calls(patch, crash)
        with pytest.raises(Crash):
            run_watchdog()
    table = boto3.resource("dynamodb").Table(cloud.table)
    item: Any = table.get_item(Key={"id": "incomplete_report"})["Item"]
    assert sorted(item["batches"]) == prefixes
    # DynamoDB does not keep the order of a map.
    table.put_item(Item={**item, "batches": dict(reversed(item["batches"].items()))})
    # In the meantime, another batch becomes overdue.
    cloud.batches.record_valid(BATCH, _put_file(cloud, "users"), LONG_AGO)
    assert sorted(run_watchdog()["incomplete_batches"]) == sorted([*prefixes[1:], BATCH])
    emails = cloud.emails()
    assert [subject.partition(" is missing")[0] for subject, _ in emails] == [
        "3 batches incomplete",
        f"Batch incomplete: {BATCH}",
    ]
    assert run_watchdog()["incomplete_batches"] == []
    assert cloud.emails() == []


# Subscription


@pytest.fixture
def unconfirmed(cloud: Cloud) -> Any:
    """The only subscription of the topic, not confirmed, as before a recipient follows the link."""
    backend: Any = sns_backends[ACCOUNT][REGION]
    (subscription,) = backend.subscriptions.values()
    assert subscription.topic.arn == cloud.topic_arn
    subscription.confirmed_arn, subscription.arn = subscription.arn, "PendingConfirmation"
    return subscription


def test_missing_subscriber_is_counted_in_every_sweep_and_logged_once(
    unconfirmed: Any, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    def sweep() -> tuple[float, int]:
        """Return the metric and the number of logged errors."""
        caplog.clear()
        run_watchdog()
        metric = _read_metrics(capsys.readouterr().out)["NoConfirmedSubscriber"]
        return metric, len(_list_messages(caplog, "ERROR"))

    confirmed_arn = unconfirmed.confirmed_arn
    assert [sweep(), sweep()] == [(1, 1), (1, 0)]
    unconfirmed.arn = confirmed_arn
    assert [sweep(), sweep()] == [(0, 0), (0, 0)]
    unconfirmed.arn = "PendingConfirmation"
    assert [sweep(), sweep()] == [(1, 1), (1, 0)]


def test_topic_without_subscription_has_no_subscriber(cloud: Cloud) -> None:
    sns = boto3.client("sns")
    for subscription in sns.list_subscriptions_by_topic(TopicArn=cloud.topic_arn)["Subscriptions"]:
        sns.unsubscribe(SubscriptionArn=subscription["SubscriptionArn"])
    assert run_watchdog()["has_subscriber"] is False


# The sweep


@pytest.mark.parametrize(
    ("operations", "problem", "incomplete"),
    [
        (["ListClusters"], "clusters", "cluster"),
        (["DescribeCluster"], "cluster j-", "cluster"),
        (["TerminateJobFlows"], "cluster j-", "cluster"),
        (["StartExecution"], "waiting runs", "batch"),
        (["HeadObject"], "batch raw/complete/: .*batch raw/late/", "batch email"),
        (["ListSubscriptionsByTopic"], "subscription", "subscription"),
        (["DescribeExecution"], "run run-1", "cluster run"),
        (["Publish"], "run run-1: .*incomplete batches", "run email"),
    ],
)
def test_failed_part_does_not_stop_other_parts(
    cloud: Cloud,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    operations: list[str],
    problem: str,
    incomplete: str,
) -> None:
    end_execution(start_execution(cloud.state_machine_arn, "run-1"), "ABORTED")
    put_run_item(cloud, "run-1")
    cluster = create_cluster("run-1")
    ledger = cloud.batches
    for dataset in FILES:
        ledger.record_valid("raw/complete/", _put_file(cloud, dataset, "raw/complete/"), LONG_AGO)
    ledger.record_valid("raw/late/", _put_file(cloud, "users", "raw/late/"), LONG_AGO)
    with monkeypatch.context() as patch:
        fail_calls(patch, *operations)
        with pytest.raises(SweepError, match=problem):
            run_watchdog()
    output = capsys.readouterr().out
    completed = {
        "cluster": get_cluster_state(cluster) == "TERMINATED",
        "run": get_run_item(cloud, "run-1")["status"] == "FAILED",
        "batch": any(name.startswith("complete-") for name in cloud.executions()),
        "email": any(subject.startswith("Batch inc") for subject, _ in cloud.emails()),
        "subscription": _read_metrics(output).get("NoConfirmedSubscriber") == 0,
    }
    assert {name for name, is_done in completed.items() if not is_done} == set(incomplete.split())
    assert any(
        message.startswith("Could not process") for message in _list_messages(caplog, "ERROR")
    )
    run_watchdog()
    assert get_cluster_state(cluster) == "TERMINATED"
    assert get_run_item(cloud, "run-1")["status"] == "FAILED"


@pytest.mark.parametrize(
    ("event", "is_sweep"),
    [("schedule", True), ("find_lost_uploads", False), ("status_succeeded", False)],
)
def test_only_sweeps_count_for_the_alarm(
    cloud: Cloud, capsys: pytest.CaptureFixture[str], event: str, is_sweep: bool
) -> None:
    content = load_event(event)
    if "stateMachineArn" in content.get("detail", {}):
        content["detail"]["stateMachineArn"] = cloud.state_machine_arn
    run_watchdog(content)
    assert ("Sweeps" in _read_metrics(capsys.readouterr().out)) == is_sweep


def test_email_states_unknown_cluster_state(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    event = load_event("status_aborted")
    with monkeypatch.context() as patch:
        fail_calls(patch, "ListClusters")
        with pytest.raises(SweepError):
            run_watchdog(event)
    assert "It is unknown whether the run's cluster is still running." in unfold(
        cloud.emails()[0][1]
    )


def test_sweep_without_findings_changes_nothing(
    cloud: Cloud, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_watchdog() == {
        "terminated_clusters": [],
        "ended_runs": [],
        "started_runs": [],
        "incomplete_batches": [],
        "has_subscriber": True,
    }
    assert _read_metrics(capsys.readouterr().out)["OrphanedClusters"] == 0
    assert boto3.client("dynamodb").scan(TableName=cloud.table)["Items"] == []
