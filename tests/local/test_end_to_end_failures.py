"""Runs that break, on the deployed template: people are told, nothing is shown, nothing is left.

The oracle stands for Spark here.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sample_data import write_sample
from tests.local.emr_lab import request
from tests.local.runs import (
    ask,
    body,
    cluster_of,
    cluster_state,
    marks,
    of_run,
    only_mail,
    pointers,
    run_again,
    run_id_of,
    steps,
    tell_watchdog,
)
from tests.local.stack import Stack
from tests.support.processes import is_alive
from tests.support.quick_spark import BREAKS, BROKEN, HANGS
from tests.support.waiting import wait_until

pytestmark = pytest.mark.xdist_group("local")


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    """Four clean files."""
    write_sample(tmp_path, rentals=40, seed=8)
    return tmp_path


def test_a_failing_job_ends_the_other_and_is_told_in_its_own_words(
    stack: Stack, sample: Path
) -> None:
    before = pointers(stack)
    stack.drop(sample, BREAKS)
    execution = stack.wait_for_run(BREAKS)
    assert execution["status"] == "FAILED"
    assert execution["cause"].startswith("RunJobs: ")
    cluster = cluster_of(stack, run_id_of(execution))
    assert cluster_state(stack, cluster) == "TERMINATED"
    assert steps(stack, cluster) == {"transformation_job": "CANCELLED", "kpis": "FAILED"}
    [mark] = marks(stack, cluster, HANGS)
    assert wait_until(lambda: not is_alive(int(mark.read_text())), 10)
    assert pointers(stack) == before
    mail = only_mail(stack, BREAKS)
    assert mail["Subject"] == f"Rental KPIs failed: {BREAKS} (RunJobs: kpis)"
    assert "Step kpis (s-" in body(mail)
    assert ": FAILED, exit code 1\n" in body(mail)
    assert f"\n    {BROKEN}\n" in body(mail)
    assert "Step transformation_job (s-" in body(mail)
    assert "was not finished: CANCELLED" in body(mail)
    # Its end reaches the watchdog too, which has nothing to add.
    tell_watchdog(stack, execution)
    only_mail(stack, BREAKS)


def test_the_watchdog_ends_what_a_stopped_execution_leaves(stack: Stack, sample: Path) -> None:
    before = pointers(stack)
    stack.drop(sample, HANGS)
    assert wait_until(lambda: bool(stack.executions(HANGS)), 30)
    [arn] = stack.executions(HANGS)
    run_id = arn.rpartition(":")[2]
    assert wait_until(lambda: "RunKpis" in stack.states(arn), 30)
    cluster = cluster_of(stack, run_id)
    assert wait_until(lambda: len(marks(stack, cluster, HANGS)) == 2, 30)
    processes = [int(mark.read_text()) for mark in marks(stack, cluster, HANGS)]
    assert all(map(is_alive, processes))
    stack.client("stepfunctions").stop_execution(
        executionArn=arn, error="Enough", cause="the test has seen it"
    )
    execution = stack.wait_for_end(arn)
    assert execution["status"] == "ABORTED"
    assert wait_until(lambda: cluster_state(stack, cluster) == "TERMINATED", 30)
    assert wait_until(lambda: not any(map(is_alive, processes)), 10)
    mail = only_mail(stack, HANGS)
    assert mail["Subject"] == f"Rental KPIs stopped: {HANGS}"
    assert "Somebody stopped the execution, and said: Enough: the test has seen it" in body(mail)
    assert f"Its cluster {cluster} was still up, and was told to end." in body(mail)
    tell_watchdog(stack, execution)
    only_mail(stack, HANGS)
    assert pointers(stack) == before
    assert set(steps(stack, cluster).values()) == {"CANCELLED"}


def test_a_cluster_that_ends_under_its_run_fails_it(stack: Stack, sample: Path) -> None:
    before, batch = pointers(stack), f"{HANGS}-and-ends"
    stack.drop(sample, batch)
    assert wait_until(lambda: bool(stack.executions(batch)), 30)
    [arn] = stack.executions(batch)
    assert wait_until(lambda: "RunKpis" in stack.states(arn), 30)
    cluster = cluster_of(stack, arn.rpartition(":")[2])
    assert wait_until(lambda: len(marks(stack, cluster, HANGS)) == 2, 30)
    stack.client("emr").terminate_job_flows(JobFlowIds=[cluster])
    execution = stack.wait_for_end(arn)
    assert execution["status"] == "FAILED"
    assert execution["cause"].startswith("RunJobs: ")
    assert only_mail(stack, batch)["Subject"] == f"Rental KPIs failed: {batch} (RunJobs)"
    assert pointers(stack) == before


@pytest.mark.parametrize(
    ("batch", "role", "sid", "state", "error", "words"),
    [
        (
            "unanswered",
            "PublishResultsRole",
            "Answers",
            "PublishResults",
            "QueryFailedError",
            "ended FAILED: Access denied when writing output",
        ),
        (
            "unasked",
            "PublishResultsRole",
            "Queries",
            "PublishResults",
            "ClientError",
            "athena:StartQueryExecution",
        ),
        (
            "uncrawled",
            "CrawlerRole",
            "Tables",
            "CheckCrawlStatus",
            "CrawlFailed",
            "ended FAILED: ",
        ),
    ],
)
def test_a_run_that_the_catalogue_cannot_take_in_is_shown_once_it_can(
    batch: str,
    role: str,
    sid: str,
    state: str,
    error: str,
    words: str,
    stack: Stack,
    sample: Path,
) -> None:
    before = pointers(stack)
    with stack.without(role, sid):
        stack.drop(sample, batch)
        execution = stack.wait_for_run(batch)
    assert (execution["status"], execution["error"]) == ("FAILED", error)
    assert execution["cause"].startswith(f"{state}: ")
    assert words in execution["cause"]
    mail = only_mail(stack, batch)
    assert mail["Subject"] == f"Rental KPIs failed: {batch} ({state})"
    assert words in body(mail)
    assert pointers(stack) == before
    assert cluster_state(stack, cluster_of(stack, run_id_of(execution))) == "TERMINATED"

    assert f"--name {run_id_of(execution)}-2 " in body(mail)
    again = run_again(stack, execution)
    assert again["status"] == "SUCCEEDED", again.get("cause")
    assert json.loads(again["output"])["status"] == "PUBLISHED"
    assert len(pointers(stack)) == len(before) + 1
    assert len(ask(stack, of_run("transaction_metrics", run_id_of(again)))) == 1


def test_the_schedule_finds_a_cluster_that_nobody_told_of(published: Stack) -> None:
    [run_id, *_] = [arn.rpartition(":")[2] for arn in published.executions("published")]
    forgotten = published.client("emr").run_job_flow(
        **request(
            ServiceRole=published.physical("EmrServiceRole"),
            JobFlowRole=published.physical("EmrInstanceProfile"),
            Tags=[{"Key": "stack", "Value": published.name}, {"Key": "run", "Value": run_id}],
        )
    )["JobFlowId"]
    # The rule is the stack's own, but for its pace.
    rule = {"Name": published.physical("WatchdogSchedule")}
    events = published.client("events")
    pace = events.describe_rule(**rule)["ScheduleExpression"]
    events.put_rule(**rule, ScheduleExpression="rate(1 minute)")
    try:
        assert wait_until(lambda: cluster_state(published, forgotten) == "TERMINATED", 90)
    finally:
        events.put_rule(**rule, ScheduleExpression=pace)


def test_no_cluster_outlives_its_run(published: Stack) -> None:
    def states() -> set[str]:
        pages = published.client("emr").get_paginator("list_clusters")
        return {
            cluster["Status"]["State"]
            for page in pages.paginate()
            for cluster in page["Clusters"]
            if cluster["Name"].startswith(f"{published.name} ")
        }

    assert wait_until(lambda: states() == {"TERMINATED"}, 20), states()
