"""Runs that break, on the deployed template: people are told, nothing is shown, nothing is left.

The oracle stands for Spark here.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sample_data import write_sample
from tests.local.support.emr_sandbox import build_cluster_request
from tests.local.support.runs import (
    find_step_files,
    get_body,
    get_cluster_id,
    get_cluster_state,
    get_run_id,
    get_step_states,
    list_publication_records,
    notify_watchdog,
    query,
    repeat_run,
    select_run,
    wait_for_only_email,
)
from tests.local.support.stack import Stack
from tests.support.fake_spark_submit import (
    FAILING_BATCH,
    FAILURE_MESSAGE,
    HANGING_BATCH,
    PID_FILE,
)
from tests.support.processes import is_alive
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
    before = list_publication_records(stack)
    stack.upload_batch(sample, FAILING_BATCH)
    execution = stack.wait_for_run(FAILING_BATCH)
    assert execution["status"] == "FAILED"
    assert execution["cause"].startswith("RunJobs: ")
    cluster = get_cluster_id(stack, get_run_id(execution))
    assert get_cluster_state(stack, cluster) == "TERMINATED"
    assert get_step_states(stack, cluster) == {"transformation_job": "CANCELLED", "kpis": "FAILED"}
    [mark] = find_step_files(stack, cluster, PID_FILE)
    assert wait_until(lambda: not is_alive(int(mark.read_text())), 10)
    assert list_publication_records(stack) == before
    mail = wait_for_only_email(stack, FAILING_BATCH)
    assert mail["Subject"] == f"Rental KPIs failed: {FAILING_BATCH} (RunJobs: kpis)"
    assert "Step kpis (s-" in get_body(mail)
    assert ": FAILED, exit code 1\n" in get_body(mail)
    assert f"\n    {FAILURE_MESSAGE}\n" in get_body(mail)
    assert "Step transformation_job (s-" in get_body(mail)
    assert "was not finished: CANCELLED" in get_body(mail)
    # Its end reaches the watchdog too, which has nothing to add.
    notify_watchdog(stack, execution)
    wait_for_only_email(stack, FAILING_BATCH)


def test_the_watchdog_ends_what_a_stopped_execution_leaves(stack: Stack, sample: Path) -> None:
    before = list_publication_records(stack)
    stack.upload_batch(sample, HANGING_BATCH)
    assert wait_until(lambda: bool(stack.list_executions(HANGING_BATCH)), 30)
    [arn] = stack.list_executions(HANGING_BATCH)
    run_id = arn.rpartition(":")[2]
    assert wait_until(lambda: "RunKpis" in stack.get_entered_states(arn), 30)
    cluster = get_cluster_id(stack, run_id)
    assert wait_until(lambda: len(find_step_files(stack, cluster, PID_FILE)) == 2, 30)
    processes = [int(mark.read_text()) for mark in find_step_files(stack, cluster, PID_FILE)]
    assert all(map(is_alive, processes))
    stack.client("stepfunctions").stop_execution(
        executionArn=arn, error="Enough", cause="the test has seen it"
    )
    execution = stack.wait_for_execution(arn)
    assert execution["status"] == "ABORTED"
    assert wait_until(lambda: get_cluster_state(stack, cluster) == "TERMINATED", 30)
    assert wait_until(lambda: not any(map(is_alive, processes)), 10)
    mail = wait_for_only_email(stack, HANGING_BATCH)
    assert mail["Subject"] == f"Rental KPIs stopped: {HANGING_BATCH}"
    assert "Somebody stopped the execution, and said: Enough: the test has seen it" in get_body(
        mail
    )
    assert f"Its cluster {cluster} was still up, and was told to end." in get_body(mail)
    notify_watchdog(stack, execution)
    wait_for_only_email(stack, HANGING_BATCH)
    assert list_publication_records(stack) == before
    assert set(get_step_states(stack, cluster).values()) == {"CANCELLED"}


def test_a_cluster_that_ends_under_its_run_fails_it(stack: Stack, sample: Path) -> None:
    before, batch = list_publication_records(stack), f"{HANGING_BATCH}-and-ends"
    stack.upload_batch(sample, batch)
    assert wait_until(lambda: bool(stack.list_executions(batch)), 30)
    [arn] = stack.list_executions(batch)
    assert wait_until(lambda: "RunKpis" in stack.get_entered_states(arn), 30)
    cluster = get_cluster_id(stack, arn.rpartition(":")[2])
    assert wait_until(lambda: len(find_step_files(stack, cluster, PID_FILE)) == 2, 30)
    stack.client("emr").terminate_job_flows(JobFlowIds=[cluster])
    execution = stack.wait_for_execution(arn)
    assert execution["status"] == "FAILED"
    assert execution["cause"].startswith("RunJobs: ")
    assert wait_for_only_email(stack, batch)["Subject"] == f"Rental KPIs failed: {batch} (RunJobs)"
    assert list_publication_records(stack) == before


@pytest.mark.parametrize(
    ("batch", "role", "sid", "state", "error", "words"),
    [
        (
            "unanswered",
            "PublishResultsRole",
            "ReadAndWriteQueryResults",
            "PublishResults",
            "QueryFailedError",
            "ended FAILED: Access denied when writing output",
        ),
        (
            "unasked",
            "PublishResultsRole",
            "RunQueries",
            "PublishResults",
            "ClientError",
            "athena:StartQueryExecution",
        ),
        (
            "uncrawled",
            "CrawlerRole",
            "ReadTables",
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
    before = list_publication_records(stack)
    with stack.without_statement(role, sid):
        stack.upload_batch(sample, batch)
        execution = stack.wait_for_run(batch)
    assert (execution["status"], execution["error"]) == ("FAILED", error)
    assert execution["cause"].startswith(f"{state}: ")
    assert words in execution["cause"]
    mail = wait_for_only_email(stack, batch)
    assert mail["Subject"] == f"Rental KPIs failed: {batch} ({state})"
    assert words in get_body(mail)
    assert list_publication_records(stack) == before
    assert get_cluster_state(stack, get_cluster_id(stack, get_run_id(execution))) == "TERMINATED"

    assert f"--name {get_run_id(execution)}-2 " in get_body(mail)
    again = repeat_run(stack, execution)
    assert again["status"] == "SUCCEEDED", again.get("cause")
    assert json.loads(again["output"])["status"] == "PUBLISHED"
    assert len(list_publication_records(stack)) == len(before) + 1
    assert len(query(stack, select_run("transaction_metrics", get_run_id(again)))) == 1


def test_the_schedule_finds_a_cluster_that_nobody_told_of(published: Stack) -> None:
    [run_id, *_] = [arn.rpartition(":")[2] for arn in published.list_executions("published")]
    forgotten = published.client("emr").run_job_flow(
        **build_cluster_request(
            ServiceRole=published.get_physical_id("EmrServiceRole"),
            JobFlowRole=published.get_physical_id("EmrInstanceProfile"),
            Tags=[{"Key": "stack", "Value": published.name}, {"Key": "run", "Value": run_id}],
        )
    )["JobFlowId"]
    # The rule is the stack's own, but for its pace.
    rule = {"Name": published.get_physical_id("WatchdogSchedule")}
    events = published.client("events")
    pace = events.describe_rule(**rule)["ScheduleExpression"]
    events.put_rule(**rule, ScheduleExpression="rate(1 minute)")
    try:
        assert wait_until(lambda: get_cluster_state(published, forgotten) == "TERMINATED", 90)
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
