"""Tests of runs that fail on the deployed template.

Each one sends an email, publishes nothing, and leaves no cluster. The oracle replaces Spark here.
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
from tests.support.snapshots import unfold
from tests.support.waiting import wait_until

pytestmark = pytest.mark.xdist_group("local")


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    """A folder with four valid files."""
    write_sample(tmp_path, rentals=40, seed=8)
    return tmp_path


def test_failing_job_cancels_other_job_and_is_reported_with_its_message(
    stack: Stack, sample: Path
) -> None:
    records_before = list_publication_records(stack)
    stack.upload_batch(sample, FAILING_BATCH)
    execution = stack.wait_for_run(FAILING_BATCH)
    assert execution["status"] == "FAILED"
    assert execution["cause"].startswith("RunJobs: ")
    cluster = get_cluster_id(stack, get_run_id(execution))
    assert get_cluster_state(stack, cluster) == "TERMINATED"
    assert get_step_states(stack, cluster) == {"transformation_job": "CANCELLED", "kpis": "FAILED"}
    [pid_file] = find_step_files(stack, cluster, PID_FILE)
    assert wait_until(lambda: not is_alive(int(pid_file.read_text())), 10)
    assert list_publication_records(stack) == records_before
    email = wait_for_only_email(stack, FAILING_BATCH)
    assert email["Subject"] == f"Rental KPIs failed: {FAILING_BATCH} (RunJobs: kpis)"
    text = unfold(get_body(email))
    assert "Step kpis: FAILED, exit code 1 " in text
    assert FAILURE_MESSAGE in text
    assert "Step transformation_job did not complete: CANCELLED" in text
    # The watchdog receives the end of the execution too, and sends no second email.
    notify_watchdog(stack, execution)
    wait_for_only_email(stack, FAILING_BATCH)


def test_watchdog_terminates_cluster_of_stopped_execution(stack: Stack, sample: Path) -> None:
    records_before = list_publication_records(stack)
    stack.upload_batch(sample, HANGING_BATCH)
    assert wait_until(lambda: bool(stack.list_executions(HANGING_BATCH)), 30)
    [arn] = stack.list_executions(HANGING_BATCH)
    run_id = arn.rpartition(":")[2]
    assert wait_until(lambda: "RunKpis" in stack.get_entered_states(arn), 30)
    cluster = get_cluster_id(stack, run_id)
    assert wait_until(lambda: len(find_step_files(stack, cluster, PID_FILE)) == 2, 30)
    pids = [int(file.read_text()) for file in find_step_files(stack, cluster, PID_FILE)]
    assert all(map(is_alive, pids))
    stack.client("stepfunctions").stop_execution(
        executionArn=arn, error="Enough", cause="stopped by the test"
    )
    execution = stack.wait_for_execution(arn)
    assert execution["status"] == "ABORTED"
    assert wait_until(lambda: get_cluster_state(stack, cluster) == "TERMINATED", 30)
    assert wait_until(lambda: not any(map(is_alive, pids)), 10)
    email = wait_for_only_email(stack, HANGING_BATCH)
    assert email["Subject"] == f"Rental KPIs aborted: {HANGING_BATCH}"
    text = unfold(get_body(email))
    assert "The execution was aborted: Enough: stopped by the test" in text
    assert f"Cluster {cluster} of the run was still running and is being terminated." in text
    notify_watchdog(stack, execution)
    wait_for_only_email(stack, HANGING_BATCH)
    assert list_publication_records(stack) == records_before
    assert set(get_step_states(stack, cluster).values()) == {"CANCELLED"}


def test_terminated_cluster_fails_run(stack: Stack, sample: Path) -> None:
    records_before, batch = list_publication_records(stack), f"{HANGING_BATCH}-terminated"
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
    assert list_publication_records(stack) == records_before


@pytest.mark.parametrize(
    ("batch", "role", "sid", "state", "error", "message"),
    [
        (
            "no-result-access",
            "PublishResultsRole",
            "ReadAndWriteQueryResults",
            "PublishResults",
            "QueryFailedError",
            "ended with the status FAILED: Access denied when writing output",
        ),
        (
            "no-query-access",
            "PublishResultsRole",
            "RunQueries",
            "PublishResults",
            "ClientError",
            "athena:StartQueryExecution",
        ),
        (
            "no-table-access",
            "CrawlerRole",
            "ReadTables",
            "CheckCrawl",
            "CrawlFailed",
            "ended with the status FAILED: ",
        ),
    ],
)
def test_run_that_failed_for_missing_permission_can_be_repeated(
    batch: str,
    role: str,
    sid: str,
    state: str,
    error: str,
    message: str,
    stack: Stack,
    sample: Path,
) -> None:
    records_before = list_publication_records(stack)
    with stack.without_statement(role, sid):
        stack.upload_batch(sample, batch)
        execution = stack.wait_for_run(batch)
    assert (execution["status"], execution["error"]) == ("FAILED", error)
    assert execution["cause"].startswith(f"{state}: ")
    assert message in execution["cause"]
    email = wait_for_only_email(stack, batch)
    assert email["Subject"] == f"Rental KPIs failed: {batch} ({state})"
    assert message in unfold(get_body(email))
    assert list_publication_records(stack) == records_before
    assert get_cluster_state(stack, get_cluster_id(stack, get_run_id(execution))) == "TERMINATED"

    assert f"\n./run rerun {get_run_id(execution)}\n" in get_body(email)
    repeated = repeat_run(stack, execution)
    assert repeated["status"] == "SUCCEEDED", repeated.get("cause")
    assert json.loads(repeated["output"])["status"] == "PUBLISHED"
    assert len(list_publication_records(stack)) == len(records_before) + 1
    assert len(query(stack, select_run("transaction_metrics", get_run_id(repeated)))) == 1


def test_scheduled_watchdog_terminates_orphaned_cluster(published_stack: Stack) -> None:
    [run_id, *_] = [arn.rpartition(":")[2] for arn in published_stack.list_executions("published")]
    orphaned_cluster = published_stack.client("emr").run_job_flow(
        **build_cluster_request(
            ServiceRole=published_stack.get_physical_id("EmrServiceRole"),
            JobFlowRole=published_stack.get_physical_id("EmrInstanceProfile"),
            Tags=[{"Key": "stack", "Value": published_stack.name}, {"Key": "run", "Value": run_id}],
        )
    )["JobFlowId"]
    # The rule of the stack, with a shorter interval.
    rule = {"Name": published_stack.get_physical_id("WatchdogSchedule")}
    events = published_stack.client("events")
    expression = events.describe_rule(**rule)["ScheduleExpression"]
    events.put_rule(**rule, ScheduleExpression="rate(1 minute)")
    try:
        assert wait_until(
            lambda: get_cluster_state(published_stack, orphaned_cluster) == "TERMINATED", 90
        )
    finally:
        events.put_rule(**rule, ScheduleExpression=expression)


def test_no_cluster_outlives_its_run(published_stack: Stack) -> None:
    def get_cluster_states() -> set[str]:
        pages = published_stack.client("emr").get_paginator("list_clusters")
        return {
            cluster["Status"]["State"]
            for page in pages.paginate()
            for cluster in page["Clusters"]
            if cluster["Name"].startswith(f"{published_stack.name} ")
        }

    assert wait_until(lambda: get_cluster_states() == {"TERMINATED"}, 20), get_cluster_states()
