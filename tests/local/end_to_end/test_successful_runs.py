"""Batches that become runs, on the deployed template: from the dropped files to what readers see.

The oracle stands for Spark here; `test_demo.py` has the real one.
"""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from contract.datasets import DATASETS, RENTALS
from contract.kpi_tables import KPI_TABLES
from contract.layout import KPI_JOB, TRANSFORMATION_JOB
from sample_data import write_sample
from tests.local.support.runs import (
    query,
    get_body,
    get_cluster_id,
    get_cluster_state,
    invoke_function,
    list_keys,
    find_emails,
    select_run,
    wait_for_only_email,
    get_pinned_versions,
    list_publication_records,
    read_object,
    read_job_report,
    get_run_id,
    get_step_states,
)
from tests.local.support.stack import Stack
from tests.oracle import Expected, compute_expected
from tests.support.waiting import wait_until

pytestmark = pytest.mark.xdist_group("local")


def totals_of(truth: Expected) -> dict[str, str]:
    """The table of totals in Athena's words."""
    [row] = truth.tables["transaction_metrics"]
    return {name: str(value) for name, value in row.items()}


def subject(batch: str, truth: Expected) -> str:
    """The report mail's subject."""
    revenue = Decimal(str(truth.transformation["accepted_revenue"]))
    return f"Rental KPIs {batch}: {revenue:,} from {len(truth.accepted['rentals']):,} rentals"


def test_a_clean_batch_becomes_tables_and_one_mail(stack: Stack, tmp_path: Path) -> None:
    write_sample(tmp_path, rentals=50, seed=1)
    truth = compute_expected(tmp_path)
    stack.upload_batch(tmp_path, "clean")
    execution = stack.wait_for_run("clean")
    run_id = get_run_id(execution)
    assert execution["status"] == "SUCCEEDED", execution.get("cause")
    assert json.loads(execution["output"]) == {"run_id": run_id, "status": "PUBLISHED"}

    mail = wait_for_only_email(stack, "clean")
    assert mail["Subject"] == subject("clean", truth)
    assert run_id in get_body(mail)
    assert "Readers see this run now." in get_body(mail)

    [totals] = query(stack, "SELECT * FROM transaction_metrics")
    assert {name: totals[name] for name in totals_of(truth)} == totals_of(truth)
    for table in KPI_TABLES:
        [counted] = query(
            stack,
            f"SELECT COUNT(*) AS n, SUM({table.count_column}) AS rentals,"  # noqa: S608
            f" SUM({table.revenue_column}) AS revenue FROM {table.name}",
        )
        rows = truth.tables[table.name]
        assert counted == {
            "n": str(len(rows)),
            "rentals": str(len(truth.accepted["rentals"])),
            "revenue": str(truth.transformation["accepted_revenue"]),
        }

    cluster = get_cluster_id(stack, run_id)
    assert get_cluster_state(stack, cluster) == "TERMINATED"
    assert get_step_states(stack, cluster) == {"transformation_job": "COMPLETED", "kpis": "COMPLETED"}
    assert_everything_in_its_place(stack, tmp_path, "clean", run_id, cluster, truth)


def assert_everything_in_its_place(
    stack: Stack, folder: Path, batch: str, run_id: str, cluster: str, truth: Expected
) -> None:
    """Section 5 of the data contract, line by line."""
    for dataset in DATASETS:
        dropped = (folder / dataset.file).read_bytes()
        assert read_object(stack, f"raw/{batch}/{dataset.file}") == dropped
        assert read_object(stack, f"batches/run_id={run_id}/{dataset.file}") == dropped
    tables = [f"output/{dataset.name}" for dataset in DATASETS]
    tables += [f"quarantine/{dataset.name}" for dataset in DATASETS]
    tables += [f"kpi_output/{table.name}" for table in KPI_TABLES]
    for table in tables:
        [file] = list_keys(stack, f"{table}/run_id={run_id}/")
        assert file.endswith(".parquet")
    assert read_job_report(stack, TRANSFORMATION_JOB, run_id) == truth.transformation
    assert read_job_report(stack, KPI_JOB, run_id) == truth.kpis
    assert list_publication_records(stack)[-1].endswith(f"-{run_id}.json")
    pointer = json.loads(read_object(stack, list_publication_records(stack)[-1]))
    assert (pointer["run_id"], pointer["batch"]) == (run_id, f"raw/{batch}/")
    reports = {key.rpartition("/")[2] for key in list_keys(stack, f"reports/{run_id}/")}
    assert reports == {"answers.json", "email.txt"}
    assert list_keys(stack, "athena_results/")
    assert any(key.endswith("/jobs.zip") for key in list_keys(stack, "emr-scripts/"))
    logs = [key.rpartition("/")[2] for key in list_keys(stack, f"logs/emr/{cluster}/steps/")]
    assert sorted(logs) == sorted(2 * ["controller.gz", "stderr.gz", "stdout.gz"])


def test_the_next_batch_under_a_prefix_is_a_run_of_its_own(stack: Stack, tmp_path: Path) -> None:
    executions: list[dict[str, Any]] = []
    for seed in (2, 3):
        folder = tmp_path / str(seed)
        write_sample(folder, rentals=40 + seed, seed=seed)
        stack.upload_batch(folder, "monthly")
        assert wait_until(lambda: len(stack.list_executions("monthly")) > len(executions), 30)
        known = {execution["executionArn"] for execution in executions}
        [arn] = set(stack.list_executions("monthly")) - known
        executions.append(stack.wait_for_execution(arn))
    assert [execution["status"] for execution in executions] == ["SUCCEEDED", "SUCCEEDED"]
    first, second = executions
    assert get_run_id(first) != get_run_id(second)
    assert len(get_pinned_versions(first) | get_pinned_versions(second)) == 2 * len(DATASETS)
    # The one before stays as it was, and readers see the later one.
    for seed, execution in zip((2, 3), executions, strict=True):
        for dataset in DATASETS:
            pinned = f"batches/run_id={get_run_id(execution)}/{dataset.file}"
            assert read_object(stack, pinned) == (tmp_path / str(seed) / dataset.file).read_bytes()
    [totals] = query(stack, "SELECT * FROM transaction_metrics")
    truth = compute_expected(tmp_path / "3")
    assert {name: totals[name] for name in totals_of(truth)} == totals_of(truth)
    [earlier] = query(stack, select_run("transaction_metrics", get_run_id(first)))
    before = compute_expected(tmp_path / "2")
    assert earlier["total_revenue"] == before.transformation["accepted_revenue"]
    assert wait_until(lambda: len(find_emails(stack, "monthly")) > 1, 20)
    subjects = [mail["Subject"] for mail in find_emails(stack, "monthly")]
    assert subjects == [subject("monthly", before), subject("monthly", truth)]


def test_rows_within_the_limit_go_to_quarantine_and_are_counted(
    stack: Stack, tmp_path: Path
) -> None:
    write_sample(tmp_path, rentals=60, error_rate=0.05, seed=4)
    truth = compute_expected(tmp_path)
    rejected = truth.rejected["rentals"]
    read_rows = len(rejected) + len(truth.accepted["rentals"])
    assert 0 < len(rejected) / read_rows <= 0.05
    stack.upload_batch(tmp_path, "dusty")
    execution = stack.wait_for_run("dusty")
    run_id = get_run_id(execution)
    assert execution["status"] == "SUCCEEDED", execution.get("cause")
    text = get_body(wait_for_only_email(stack, "dusty"))
    for name, counts in datasets_of(truth).items():
        numbers = r"\s+".join(str(counts[key]) for key in ("read", "accepted", "rejected"))
        assert re.search(rf"^{name}\s+{numbers}\s*$", text, re.MULTILINE), text
        for reason, rows in counts["reasons"].items():
            line = rf"^{reason}\s+{rows}\s*$"
            assert not rows or re.search(line, text, re.MULTILINE), text
        [file] = list_keys(stack, f"quarantine/{name}/run_id={run_id}/")
        assert len(read_object(stack, file)) > 0
    assert read_job_report(stack, TRANSFORMATION_JOB, run_id) == truth.transformation
    [totals] = query(stack, "SELECT * FROM transaction_metrics")
    assert {name: totals[name] for name in totals_of(truth)} == totals_of(truth)


def datasets_of(truth: Expected) -> dict[str, Any]:
    """What became of each dataset's rows."""
    datasets: Any = truth.transformation["datasets"]
    return dict(datasets)


def test_rows_beyond_the_limit_keep_a_run_from_readers(published: Stack, tmp_path: Path) -> None:
    stack = published
    write_sample(tmp_path, rentals=60, error_rate=0.4, seed=5)
    rentals = datasets_of(compute_expected(tmp_path))["rentals"]
    before, seen = list_publication_records(stack), query(stack, "SELECT * FROM transaction_metrics")
    stack.upload_batch(tmp_path, "filthy")
    execution = stack.wait_for_run("filthy")
    assert (execution["status"], execution["error"]) == ("FAILED", "RunRejectedError")
    assert execution["cause"].startswith("CheckRun: ")
    assert "PublishResults" not in stack.get_entered_states(execution["executionArn"])
    assert list_publication_records(stack) == before
    assert query(stack, "SELECT * FROM transaction_metrics") == seen
    mail = wait_for_only_email(stack, "filthy")
    assert mail["Subject"] == "Rental KPIs failed: filthy (CheckRun)"
    assert f"{rentals['rejected']} of {rentals['read']} rentals were rejected" in get_body(mail)
    assert "the limit is 5 percent" in get_body(mail)
    assert "Nothing was published: readers still see the run" in get_body(mail)
    assert "To mend the data, drop all four files" in get_body(mail)
    assert get_cluster_state(stack, get_cluster_id(stack, get_run_id(execution))) == "TERMINATED"


def test_a_refused_file_waits_for_its_correction(stack: Stack, tmp_path: Path) -> None:
    write_sample(tmp_path, rentals=40, seed=6)
    rentals = tmp_path / RENTALS.file
    content = rentals.read_text()
    rentals.write_text(content.replace("total_amount", "amount", 1))
    stack.upload_batch(tmp_path, "mistaken")
    refusal = wait_for_only_email(stack, "mistaken")
    assert refusal["Subject"] == f"File refused: raw/mistaken/{RENTALS.file}"
    assert "total_amount" in get_body(refusal)
    assert stack.list_executions("mistaken") == []

    rentals.write_text(content)
    stack.client("s3").upload_file(str(rentals), stack.bucket, f"raw/mistaken/{RENTALS.file}")
    execution = stack.wait_for_run("mistaken")
    assert execution["status"] == "SUCCEEDED", execution.get("cause")
    assert wait_until(lambda: len(find_emails(stack, "mistaken")) > 1, 20)
    subjects = [mail["Subject"] for mail in find_emails(stack, "mistaken")]
    assert subjects == [refusal["Subject"], subject("mistaken", compute_expected(tmp_path))]


def test_repeated_events_start_nothing_twice(stack: Stack, tmp_path: Path) -> None:
    write_sample(tmp_path, rentals=40, seed=7)
    heard = uploads_heard(stack, "repeated")
    stack.upload_batch(tmp_path, "repeated")
    assert wait_until(lambda: len(heard()) == len(DATASETS), 30)
    events = 2 * heard()
    # While the run is on its way, several at a time, and once more when it is over.
    with ThreadPoolExecutor(4) as pool:
        receipts = list(
            pool.map(lambda event: invoke_function(stack, "ReceiveUploadFunction", event), events)
        )
    assert len(receipts) == len(events)
    execution = stack.wait_for_run("repeated")
    assert execution["status"] == "SUCCEEDED", execution.get("cause")
    for event in heard():
        invoke_function(stack, "ReceiveUploadFunction", event)
    assert stack.list_executions("repeated") == [execution["executionArn"]]
    wait_for_only_email(stack, "repeated")


def uploads_heard(stack: Stack, batch: str) -> Any:
    """What tells the events that EventBridge has told of the batch's uploads since this call."""
    queue, events = stack.client("sqs"), stack.client("events")
    url = queue.create_queue(QueueName=f"uploads-{batch}")["QueueUrl"]
    arn = queue.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    pattern = {
        "source": ["aws.s3"],
        "detail-type": ["Object Created"],
        "detail": {"object": {"key": [{"prefix": f"raw/{batch}/"}]}},
    }
    events.put_rule(Name=f"uploads-{batch}", EventPattern=json.dumps(pattern))
    target = {"Id": "queue", "Arn": arn["Attributes"]["QueueArn"]}
    events.put_targets(Rule=f"uploads-{batch}", Targets=[target])
    heard: list[dict[str, Any]] = []

    def told() -> list[dict[str, Any]]:
        answer = queue.receive_message(QueueUrl=url, MaxNumberOfMessages=10)
        for message in answer.get("Messages", []):
            heard.append(json.loads(message["Body"]))
            queue.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return heard

    return told
