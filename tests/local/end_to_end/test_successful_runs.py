"""Tests of batches and runs on the deployed template, from the uploads to what readers see.

The oracle replaces Spark here. `test_demo.py` uses real Spark.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from contract.datasets import DATASETS, RENTALS
from contract.kpi_tables import KPI_TABLES
from contract.layout import KPI_JOB, TRANSFORMATION_JOB
from pipeline.notifications.figures import format_short_amount
from sample_data import write_sample
from tests.local.support.runs import (
    find_emails,
    get_body,
    get_cluster_id,
    get_cluster_state,
    get_pinned_versions,
    get_run_id,
    get_step_states,
    invoke_function,
    list_keys,
    list_publication_records,
    query,
    read_job_report,
    read_object,
    select_run,
    wait_for_only_email,
)
from tests.local.support.stack import Stack
from tests.oracle import Expected, compute_expected
from tests.support.snapshots import unfold
from tests.support.waiting import wait_until

pytestmark = pytest.mark.xdist_group("local")


def get_totals(expected: Expected) -> dict[str, str]:
    """Return the expected row of transaction_metrics, with the values as Athena formats them."""
    [row] = expected.tables["transaction_metrics"]
    return {name: str(value) for name, value in row.items()}


def get_report_subject(batch: str, expected: Expected) -> str:
    """Return the subject of the report email."""
    revenue = format_short_amount(Decimal(str(expected.transformation["accepted_revenue"])))
    rejected = sum(len(rows) for rows in expected.rejected.values())
    return f"Rental KPIs: {revenue}, {rejected:,} rejected ({batch})"


def read_subject(email: EmailMessage) -> str:
    """Return the subject of a report email without the change in a week, if it names one."""
    return re.sub(r" week [+-][\d.]+%,", "", email["Subject"])


def test_clean_batch_produces_tables_and_one_email(stack: Stack, tmp_path: Path) -> None:
    write_sample(tmp_path, rentals=50, seed=1)
    expected = compute_expected(tmp_path)
    stack.upload_batch(tmp_path, "clean")
    execution = stack.wait_for_run("clean")
    run_id = get_run_id(execution)
    assert execution["status"] == "SUCCEEDED", execution.get("cause")
    assert json.loads(execution["output"]) == {"run_id": run_id, "status": "PUBLISHED"}

    email = wait_for_only_email(stack, "clean")
    assert read_subject(email) == get_report_subject("clean", expected)
    assert run_id in get_body(email)
    assert "Readers see this run now." in get_body(email)

    [totals] = query(stack, "SELECT * FROM transaction_metrics")
    assert {name: totals[name] for name in get_totals(expected)} == get_totals(expected)
    for table in KPI_TABLES:
        [counts] = query(
            stack,
            f"SELECT COUNT(*) AS n, SUM({table.count_column}) AS rentals,"  # noqa: S608
            f" SUM({table.revenue_column}) AS revenue FROM {table.name}",
        )
        rows = expected.tables[table.name]
        assert counts == {
            "n": str(len(rows)),
            "rentals": str(len(expected.accepted["rentals"])),
            "revenue": str(expected.transformation["accepted_revenue"]),
        }

    cluster = get_cluster_id(stack, run_id)
    assert get_cluster_state(stack, cluster) == "TERMINATED"
    assert get_step_states(stack, cluster) == {
        "transformation_job": "COMPLETED",
        "kpis": "COMPLETED",
    }
    check_objects(stack, tmp_path, "clean", run_id, cluster, expected)


def check_objects(
    stack: Stack, folder: Path, batch: str, run_id: str, cluster: str, expected: Expected
) -> None:
    """Check every object that section 5 of the data contract lists."""
    for dataset in DATASETS:
        content = (folder / dataset.file).read_bytes()
        assert read_object(stack, f"raw/{batch}/{dataset.file}") == content
        assert read_object(stack, f"batches/run_id={run_id}/{dataset.file}") == content
    tables = [f"output/{dataset.name}" for dataset in DATASETS]
    tables += [f"quarantine/{dataset.name}" for dataset in DATASETS]
    tables += [f"kpi_output/{table.name}" for table in KPI_TABLES]
    for table in tables:
        [file] = list_keys(stack, f"{table}/run_id={run_id}/")
        assert file.endswith(".parquet")
    assert read_job_report(stack, TRANSFORMATION_JOB, run_id) == expected.transformation
    assert read_job_report(stack, KPI_JOB, run_id) == expected.kpis
    assert list_publication_records(stack)[-1].endswith(f"-{run_id}.json")
    pointer = json.loads(read_object(stack, list_publication_records(stack)[-1]))
    assert (pointer["run_id"], pointer["batch"]) == (run_id, f"raw/{batch}/")
    reports = {key.rpartition("/")[2] for key in list_keys(stack, f"reports/{run_id}/")}
    assert reports == {"answers.json", "email.txt"}
    assert list_keys(stack, "athena_results/")
    assert any(key.endswith("/jobs.zip") for key in list_keys(stack, "emr-scripts/"))
    logs = [key.rpartition("/")[2] for key in list_keys(stack, f"logs/emr/{cluster}/steps/")]
    assert sorted(logs) == sorted(2 * ["controller.gz", "stderr.gz", "stdout.gz"])


def test_next_batch_with_same_prefix_is_separate_run(stack: Stack, tmp_path: Path) -> None:
    executions: list[dict[str, Any]] = []
    for seed in (2, 3):
        folder = tmp_path / str(seed)
        write_sample(folder, rentals=40 + seed, seed=seed)
        stack.upload_batch(folder, "monthly")
        assert wait_until(lambda: len(stack.list_executions("monthly")) > len(executions), 30)
        existing = {execution["executionArn"] for execution in executions}
        [arn] = set(stack.list_executions("monthly")) - existing
        executions.append(stack.wait_for_execution(arn))
    assert [execution["status"] for execution in executions] == ["SUCCEEDED", "SUCCEEDED"]
    first, second = executions
    assert get_run_id(first) != get_run_id(second)
    assert len(get_pinned_versions(first) | get_pinned_versions(second)) == 2 * len(DATASETS)
    # The earlier run does not change, and readers see the later one.
    for seed, execution in zip((2, 3), executions, strict=True):
        for dataset in DATASETS:
            pinned = f"batches/run_id={get_run_id(execution)}/{dataset.file}"
            assert read_object(stack, pinned) == (tmp_path / str(seed) / dataset.file).read_bytes()
    [totals] = query(stack, "SELECT * FROM transaction_metrics")
    expected = compute_expected(tmp_path / "3")
    assert {name: totals[name] for name in get_totals(expected)} == get_totals(expected)
    [earlier_totals] = query(stack, select_run("transaction_metrics", get_run_id(first)))
    expected_before = compute_expected(tmp_path / "2")
    assert earlier_totals["total_revenue"] == expected_before.transformation["accepted_revenue"]
    assert wait_until(lambda: len(find_emails(stack, "monthly")) > 1, 20)
    subjects = [read_subject(email) for email in find_emails(stack, "monthly")]
    assert subjects == [
        get_report_subject("monthly", expected_before),
        get_report_subject("monthly", expected),
    ]


def test_rejected_rows_within_limit_are_quarantined_and_counted(
    stack: Stack, tmp_path: Path
) -> None:
    write_sample(tmp_path, rentals=60, error_rate=0.05, seed=4)
    expected = compute_expected(tmp_path)
    rejected = expected.rejected["rentals"]
    row_count = len(rejected) + len(expected.accepted["rentals"])
    assert 0 < len(rejected) / row_count <= 0.05
    stack.upload_batch(tmp_path, "few-rejects")
    execution = stack.wait_for_run("few-rejects")
    run_id = get_run_id(execution)
    assert execution["status"] == "SUCCEEDED", execution.get("cause")
    text = get_body(wait_for_only_email(stack, "few-rejects"))
    reasons = []
    for name, counts in get_dataset_counts(expected).items():
        if counts["rejected"]:
            assert f"{counts['rejected']:,} of {counts['read']:,} {name} rejected" in unfold(text)
        reasons += [
            f"\n{rows} {name}: {code}\n" for code, rows in counts["reasons"].items() if rows
        ]
        [file] = list_keys(stack, f"quarantine/{name}/run_id={run_id}/")
        assert len(read_object(stack, file)) > 0
    assert sum(reason in text for reason in reasons) == min(3, len(reasons))
    assert read_job_report(stack, TRANSFORMATION_JOB, run_id) == expected.transformation
    [totals] = query(stack, "SELECT * FROM transaction_metrics")
    assert {name: totals[name] for name in get_totals(expected)} == get_totals(expected)


def get_dataset_counts(expected: Expected) -> dict[str, Any]:
    """Return the expected counts of each dataset."""
    datasets: Any = expected.transformation["datasets"]
    return dict(datasets)


def test_run_with_too_many_rejected_rows_is_not_published(
    published_stack: Stack, tmp_path: Path
) -> None:
    stack = published_stack
    write_sample(tmp_path, rentals=60, error_rate=0.4, seed=5)
    rentals = get_dataset_counts(compute_expected(tmp_path))["rentals"]
    records_before = list_publication_records(stack)
    totals_before = query(stack, "SELECT * FROM transaction_metrics")
    stack.upload_batch(tmp_path, "many-rejects")
    execution = stack.wait_for_run("many-rejects")
    assert (execution["status"], execution["error"]) == ("FAILED", "RunRejectedError")
    assert execution["cause"].startswith("CheckRun: ")
    assert "PublishResults" not in stack.get_entered_states(execution["executionArn"])
    assert list_publication_records(stack) == records_before
    assert query(stack, "SELECT * FROM transaction_metrics") == totals_before
    email = wait_for_only_email(stack, "many-rejects")
    assert email["Subject"] == "Rental KPIs failed: many-rejects (CheckRun)"
    text = unfold(get_body(email))
    assert f"{rentals['rejected']} of {rentals['read']} rentals were rejected" in text
    assert "the limit is 5%" in text
    assert "Nothing was published. Readers still see the numbers of:" in text
    assert "Correct the data, and upload all four files" in text
    assert get_cluster_state(stack, get_cluster_id(stack, get_run_id(execution))) == "TERMINATED"


def test_batch_with_rejected_upload_runs_after_correction(stack: Stack, tmp_path: Path) -> None:
    write_sample(tmp_path, rentals=40, seed=6)
    rentals = tmp_path / RENTALS.file
    content = rentals.read_text()
    rentals.write_text(content.replace("total_amount", "amount", 1))
    stack.upload_batch(tmp_path, "rejected-upload")
    rejection = wait_for_only_email(stack, "rejected-upload")
    assert rejection["Subject"] == f"File rejected: raw/rejected-upload/{RENTALS.file}"
    assert "total_amount" in get_body(rejection)
    assert stack.list_executions("rejected-upload") == []

    rentals.write_text(content)
    stack.client("s3").upload_file(
        str(rentals), stack.bucket, f"raw/rejected-upload/{RENTALS.file}"
    )
    execution = stack.wait_for_run("rejected-upload")
    assert execution["status"] == "SUCCEEDED", execution.get("cause")
    assert wait_until(lambda: len(find_emails(stack, "rejected-upload")) > 1, 20)
    subjects = [read_subject(email) for email in find_emails(stack, "rejected-upload")]
    assert subjects == [
        rejection["Subject"],
        get_report_subject("rejected-upload", compute_expected(tmp_path)),
    ]


def test_repeated_events_start_one_execution(stack: Stack, tmp_path: Path) -> None:
    write_sample(tmp_path, rentals=40, seed=7)
    receive_events = subscribe_to_uploads(stack, "repeated")
    stack.upload_batch(tmp_path, "repeated")
    assert wait_until(lambda: len(receive_events()) == len(DATASETS), 30)
    events = 2 * receive_events()
    # Concurrently while the run is running, and once more after it has ended.
    with ThreadPoolExecutor(4) as pool:
        results = list(
            pool.map(lambda event: invoke_function(stack, "ReceiveUploadFunction", event), events)
        )
    assert len(results) == len(events)
    execution = stack.wait_for_run("repeated")
    assert execution["status"] == "SUCCEEDED", execution.get("cause")
    for event in receive_events():
        invoke_function(stack, "ReceiveUploadFunction", event)
    assert stack.list_executions("repeated") == [execution["executionArn"]]
    wait_for_only_email(stack, "repeated")


def subscribe_to_uploads(stack: Stack, batch: str) -> Callable[[], list[dict[str, Any]]]:
    """Return a function that returns all upload events of a batch since this call."""
    sqs, events = stack.client("sqs"), stack.client("events")
    url = sqs.create_queue(QueueName=f"uploads-{batch}")["QueueUrl"]
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    pattern = {
        "source": ["aws.s3"],
        "detail-type": ["Object Created"],
        "detail": {"object": {"key": [{"prefix": f"raw/{batch}/"}]}},
    }
    events.put_rule(Name=f"uploads-{batch}", EventPattern=json.dumps(pattern))
    target = {"Id": "queue", "Arn": attributes["Attributes"]["QueueArn"]}
    events.put_targets(Rule=f"uploads-{batch}", Targets=[target])
    received: list[dict[str, Any]] = []

    def receive_events() -> list[dict[str, Any]]:
        response = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)
        for message in response.get("Messages", []):
            received.append(json.loads(message["Body"]))
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return received

    return receive_events
