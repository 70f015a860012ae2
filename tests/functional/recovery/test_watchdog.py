"""The watchdog's round.

moto can only abort executions and knows only confirmed subscriptions: its own objects are put into
the other states. Of races it shows the order of our own calls, not AWS's delays.
"""

from __future__ import annotations

import json
from typing import Any

import boto3
import pytest
from moto.sns.models import sns_backends

from pipeline.clock import utc_now
from pipeline.ledger.batch import BatchFile, new_run
from pipeline.recovery.watchdog import SweepError
from tests.functional.conftest import REGION, Cloud
from tests.support.aws_calls import fail_calls, watch_calls
from tests.support.ended_runs import (
    ACCOUNT,
    get_cluster_state,
    end_execution,
    backdate_clusters,
    create_cluster,
    set_cluster_state,
    start_execution,
)
from tests.support.events import load_event
from tests.support.watchdog import BATCH, LONG_AGO, put_run_item, get_run_item, run_watchdog

FILES = {
    "users": "users.csv",
    "vehicles": "vehicles.csv",
    "locations": "locations.csv",
    "rentals": "rental_transactions.csv",
}


def _file(dataset: str, batch: str = BATCH) -> BatchFile:
    return BatchFile(dataset, batch + FILES[dataset], f"v-{dataset}", 10, "0A", LONG_AGO)


def _metrics(output: str) -> dict[str, float]:
    """The metrics in what a function printed, by name."""
    lines = [json.loads(line) for line in output.splitlines() if '"_aws"' in line]
    return {
        metric["Name"]: line[metric["Name"]][0]
        for line in lines
        for group in line["_aws"]["CloudWatchMetrics"]
        for metric in group["Metrics"]
    }


def _logged(caplog: pytest.LogCaptureFixture, level: str) -> list[str]:
    """What the watchdog itself logged at a level."""
    records = [record for record in caplog.records if record.name == "watchdog"]
    return [record.getMessage() for record in records if record.levelname == level]


# Clusters


def test_clusters_without_a_running_execution_are_ended(
    cloud: Cloud, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    for run in ("failed", "aborted"):
        arn = start_execution(cloud.state_machine_arn, run)
        end_execution(arn, run.upper())
    leaked = {create_cluster(run): run for run in ("failed", "aborted", "never-started", None)}
    backdate_clusters(*leaked)
    for cluster, state in zip(
        leaked, ("STARTING", "BOOTSTRAPPING", "RUNNING", "WAITING"), strict=True
    ):
        set_cluster_state(cluster, state)
    found = run_watchdog()
    assert found["terminated_clusters"] == sorted(leaked)
    assert {get_cluster_state(cluster) for cluster in leaked} == {"TERMINATED"}
    assert _metrics(capsys.readouterr().out)["OrphanedClusters"] == 4
    assert len(_logged(caplog, "WARNING")) == 4
    assert run_watchdog()["terminated_clusters"] == []


def test_clusters_of_running_executions_and_of_others_are_left_alone(cloud: Cloud) -> None:
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
def test_a_new_cluster_of_an_execution_that_is_not_yet_known_is_left_alone() -> None:
    """Step Functions tells of an execution a little after it began."""
    cluster = create_cluster("just-begun")
    assert run_watchdog()["terminated_clusters"] == []
    assert get_cluster_state(cluster) == "WAITING"
    backdate_clusters(cluster)
    assert run_watchdog()["terminated_clusters"] == [cluster]


def test_every_page_of_clusters_is_read(cloud: Cloud) -> None:
    start_execution(cloud.state_machine_arn, "running")
    for _ in range(60):  # EMR gives 50 a page
        create_cluster("running")
    leaked = {create_cluster("never-started") for _ in range(60)}
    backdate_clusters(*leaked)
    assert set(run_watchdog()["terminated_clusters"]) == leaked


def test_a_cluster_made_during_the_round_is_not_touched(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The list comes first: what is on it belongs to an execution that had begun."""
    backdate_clusters(create_cluster("old"))
    made: list[str] = []

    def start_another(operation: str, *_: Any) -> None:
        if operation == "ListClusters" and not made:
            made.append("")
            start_execution(cloud.state_machine_arn, "new")
            made.append(create_cluster("new"))

    watch_calls(monkeypatch, start_another)
    assert len(run_watchdog()["terminated_clusters"]) == 1
    assert get_cluster_state(made[1]) == "WAITING"


def test_each_cluster_is_ended_by_a_call_of_its_own(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    protected, leaked = create_cluster("gone-1"), create_cluster("gone-2")
    backdate_clusters(protected, leaked)
    boto3.client("emr").set_termination_protection(
        JobFlowIds=[protected], TerminationProtected=True
    )
    asked: list[list[str]] = []

    def note(operation: str, arguments: dict[str, Any], _: Any) -> None:
        if operation == "TerminateJobFlows":
            asked.append(arguments["JobFlowIds"])

    watch_calls(monkeypatch, note)
    with pytest.raises(SweepError, match=f"cluster {protected}"):
        run_watchdog()
    assert get_cluster_state(leaked) == "TERMINATED"
    assert get_cluster_state(protected) == "WAITING"
    assert asked == [[leaked]]
    assert cloud.emails() == []


# Batches


def test_complete_batches_and_claimed_runs_are_started(cloud: Cloud) -> None:
    ledger = cloud.batches
    for batch in ("raw/complete/", "raw/claimed/"):
        for dataset in FILES:
            ledger.record_valid(batch, _file(dataset, batch), LONG_AGO)
    files = ledger.get_batch("raw/claimed/").files
    run = new_run("raw/claimed/", files, LONG_AGO)
    assert ledger.claim(run, files)
    ledger.record_valid("raw/half/", _file("users", "raw/half/"), utc_now())
    started = run_watchdog()["started_runs"]
    assert len(started) == 2
    assert run.run_id in started
    assert set(cloud.executions()) == set(started)
    assert run_watchdog()["started_runs"] == []
    assert cloud.emails() == []


def test_an_incomplete_batch_is_told_once_a_time(cloud: Cloud) -> None:
    ledger = cloud.batches
    ledger.record_valid(BATCH, _file("users"), LONG_AGO)
    ledger.record_rejected(BATCH, _file("rentals"), "the column rental_id is missing", LONG_AGO)
    ledger.record_valid("raw/new/", _file("users", "raw/new/"), utc_now())
    assert run_watchdog()["incomplete_batches"] == [BATCH]
    ((subject, body),) = cloud.emails()
    assert subject.startswith("Batch incomplete: raw/2026-11/ lacks vehicles.csv")
    assert f"users.csv: valid, uploaded at {LONG_AGO}" in body
    assert "vehicles.csv: missing\n" in body
    assert "rental_transactions.csv: missing; the newest upload was rejected: the column" in body
    assert run_watchdog()["incomplete_batches"] == []
    assert cloud.emails() == []
    # The next batch under the same prefix waits for itself.
    for dataset in ("vehicles", "locations", "rentals"):
        ledger.record_valid(BATCH, _file(dataset), LONG_AGO)
    run_watchdog()
    later = "2026-11-02T08:00:00.000000Z"
    next_file = BatchFile("users", f"{BATCH}users.csv", "v2", 10, "0B", later)
    ledger.record_valid(BATCH, next_file, later)
    assert run_watchdog()["incomplete_batches"] == [BATCH]
    assert len(cloud.emails()) == 1


# Subscription


@pytest.fixture
def pending(cloud: Cloud) -> Any:
    """The topic's one subscription, unconfirmed as an email's is before its link was followed."""
    backend: Any = sns_backends[ACCOUNT][REGION]
    (subscription,) = backend.subscriptions.values()
    assert subscription.topic.arn == cloud.topic_arn
    subscription.confirmed_arn, subscription.arn = subscription.arn, "PendingConfirmation"
    return subscription


def test_a_missing_subscriber_is_measured_always_and_logged_once(
    pending: Any, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    def seen() -> tuple[float, int]:
        caplog.clear()
        run_watchdog()
        measured = _metrics(capsys.readouterr().out)["NoConfirmedSubscriber"]
        return measured, len(_logged(caplog, "ERROR"))

    confirmed_arn = pending.confirmed_arn
    assert [seen(), seen()] == [(1, 1), (1, 0)]
    pending.arn = confirmed_arn
    assert [seen(), seen()] == [(0, 0), (0, 0)]
    pending.arn = "PendingConfirmation"
    assert [seen(), seen()] == [(1, 1), (1, 0)]


def test_a_topic_without_subscriptions_has_no_subscriber(cloud: Cloud) -> None:
    sns = boto3.client("sns")
    for subscription in sns.list_subscriptions_by_topic(TopicArn=cloud.topic_arn)["Subscriptions"]:
        sns.unsubscribe(SubscriptionArn=subscription["SubscriptionArn"])
    assert run_watchdog()["has_subscriber"] is False


# The round


@pytest.mark.parametrize(
    ("refused", "trouble", "undone"),
    [
        (["ListClusters"], "clusters", "cluster"),
        (["DescribeCluster"], "cluster j-", "cluster"),
        (["TerminateJobFlows"], "cluster j-", "cluster"),
        (["StartExecution"], "batch raw/complete/", "batch"),
        (["ListSubscriptionsByTopic"], "subscription", "subscription"),
        (["DescribeExecution"], "run run-1", "cluster run"),
        (["Publish"], "run run-1: .*batch raw/late/", "run mail"),
    ],
)
def test_what_fails_keeps_nothing_else_from_being_done(
    cloud: Cloud,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    refused: list[str],
    trouble: str,
    undone: str,
) -> None:
    end_execution(start_execution(cloud.state_machine_arn, "run-1"), "ABORTED")
    put_run_item(cloud, "run-1")
    cluster = create_cluster("run-1")
    ledger = cloud.batches
    for dataset in FILES:
        ledger.record_valid("raw/complete/", _file(dataset, "raw/complete/"), LONG_AGO)
    ledger.record_valid("raw/late/", _file("users", "raw/late/"), LONG_AGO)
    with monkeypatch.context() as broken:
        fail_calls(broken, *refused)
        with pytest.raises(SweepError, match=trouble):
            run_watchdog()
    output = capsys.readouterr().out
    done = {
        "cluster": get_cluster_state(cluster) == "TERMINATED",
        "run": get_run_item(cloud, "run-1")["status"] == "FAILED",
        "batch": any(name.startswith("complete-") for name in cloud.executions()),
        "mail": any(subject.startswith("Batch inc") for subject, _ in cloud.emails()),
        "subscription": _metrics(output).get("NoConfirmedSubscriber") == 0,
    }
    assert {name for name, is_done in done.items() if not is_done} == set(undone.split())
    assert any(word.startswith("Could not check") for word in _logged(caplog, "ERROR"))
    run_watchdog()
    assert get_cluster_state(cluster) == "TERMINATED"
    assert get_run_item(cloud, "run-1")["status"] == "FAILED"


def test_a_mail_does_not_claim_what_could_not_be_found_out(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = load_event("status_aborted")
    with monkeypatch.context() as broken:
        fail_calls(broken, "ListClusters")
        with pytest.raises(SweepError):
            run_watchdog(event)
    assert "Whether its cluster is still running is unknown" in cloud.emails()[0][1]


def test_a_quiet_round_changes_nothing(cloud: Cloud, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_watchdog() == {
        "terminated_clusters": [],
        "ended_runs": [],
        "started_runs": [],
        "incomplete_batches": [],
        "has_subscriber": True,
    }
    assert _metrics(capsys.readouterr().out)["OrphanedClusters"] == 0
    assert boto3.client("dynamodb").scan(TableName=cloud.table)["Items"] == []
