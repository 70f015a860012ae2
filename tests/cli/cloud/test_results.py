"""What the commands show after a run: results, failures, emails, and output locations."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from cli.cloud.results import (
    show_failure,
    show_new_emails,
    show_output_locations,
    show_results,
)
from contract.reports import DatasetCounts, TransformationReport
from local.extensions.sns import mailbox
from local.mailbox import Email
from pipeline.aws.athena import Query, QueryResult, QueryRunner, ResultColumn
from pipeline.publication.questions import QUESTIONS
from tests.support.console import get_output

FAILURE_EMAIL = Email(
    Path("1.eml"),
    "a@example.com",
    "Rental KPIs failed",
    datetime.now(UTC),
    """Step kpis (s-1): FAILED, exit code 1
  Logs: s3://rental-data/logs/emr/j-1/steps/s-1/
""",
)


def describe_execution(
    status: str, error: str | None = None, cause: str | None = None
) -> dict[str, Any]:
    """Return the response of `DescribeExecution` for an execution that has ended."""
    arn = "arn:aws:states:eu-west-1:000000000000:execution:pipeline:2026-11-abc"
    result = {"name": "2026-11-abc", "status": status, "error": error, "cause": cause}
    return {"executionArn": arn, **result}


def test_failure_shows_the_last_lines_of_the_log_in_the_email(cloud: Any, console: Console) -> None:
    log = "\n".join(f"line {number}" for number in range(100))
    key = "logs/emr/j-1/steps/s-1/stderr.gz"
    cloud.client("s3").put_object(Bucket=cloud.bucket, Key=key, Body=gzip.compress(log.encode()))
    execution = describe_execution("FAILED", "X", "RunJobs: no")
    show_failure(cloud, execution, [FAILURE_EMAIL], console)
    lines = get_output(console).splitlines()
    assert lines[0] == "Run 2026-11-abc ended with status FAILED in state RunJobs: X: no"
    assert f"Last lines of s3://{cloud.bucket}/{key}:" in lines
    assert lines[-1] == "  line 99"
    assert "  line 84" not in lines


def test_missing_log_is_reported(cloud: Any, console: Console) -> None:
    show_failure(cloud, describe_execution("ABORTED"), [FAILURE_EMAIL], console)
    output = get_output(console)
    assert output.startswith(
        "Run 2026-11-abc ended with status ABORTED: The execution was aborted."
    )
    assert "  cannot read this log: " in output
    assert "NoSuchKey" in output


def test_function_error_is_shown_without_json(cloud: Any, console: Console) -> None:
    cause = 'CheckRun: {"errorMessage": "too many rows", "errorType": "RunRejectedError"}'
    show_failure(cloud, describe_execution("FAILED", "RunRejectedError", cause), [], console)
    assert get_output(console) == (
        "Run 2026-11-abc ended with status FAILED in state CheckRun:"
        " RunRejectedError: too many rows\n"
    )


def test_results_show_answers_from_athena_and_row_counts(
    cloud: Any, console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = TransformationReport(
        "r", {"rentals": DatasetCounts(12, 10, 2, {"missing_user_id": 2})}, {}, "1234567.80"
    )
    key = "runs/r/transformation.json"
    cloud.client("s3").put_object(Bucket=cloud.bucket, Key=key, Body=report.to_json().encode())
    fetched: list[str] = []

    def fetch(_: QueryRunner, queries: Sequence[Query]) -> list[QueryResult]:
        fetched.extend(query.name for query in queries)
        columns = (
            ResultColumn("day", "varchar"),
            ResultColumn("revenue", "decimal"),
            ResultColumn("n", "bigint"),
        )
        return [
            QueryResult(columns, (("2026-11-01", "1234567.80", "1000"), ("0042", None, "7")))
        ] * len(queries)

    monkeypatch.setattr(QueryRunner, "fetch", fetch)
    outputs = {
        "DatabaseName": "rental_kpi",
        "WorkgroupName": "rental-kpi",
        "BucketName": cloud.bucket,
    }
    show_results(cloud, outputs, "r", console)
    assert fetched == [question.name for question in QUESTIONS]
    for text in ("Totals", "1,234,567.80", "1,000", "2026-11-01", "0042", " - "):
        assert text in get_output(console)
    assert "rentals: missing_user_id" in get_output(console)


def test_output_locations_show_object_counts(cloud: Any, console: Console) -> None:
    for key in ("raw/b/users.csv", "raw/b/vehicles.csv", "runs/r/kpis.json"):
        cloud.client("s3").put_object(Bucket=cloud.bucket, Key=key, Body=b"x")
    show_output_locations(cloud, cloud.bucket, console)
    assert f"  s3://{cloud.bucket}/raw/  2 objects\n" in get_output(console)
    assert f"  s3://{cloud.bucket}/runs/  1 object\n" in get_output(console)
    assert f"  Emails: {cloud.mailbox_folder}\n" in get_output(console)


def test_only_new_emails_about_the_run_are_shown(cloud: Any, console: Console) -> None:
    mailbox.deliver_email("a@example.com", "old", "run-1 before")
    mailbox.deliver_email("a@example.com", "other", "run-2")
    mailbox.deliver_email("a@example.com", "new", "run-1 after [bold]all[/bold]")
    emails = show_new_emails(cloud, "run-1", 1, console)
    assert [email.subject for email in emails] == ["new"]
    assert "before" not in get_output(console)
    assert "Subject: new\n\nrun-1 after [bold]all[/bold]\n" in get_output(console)


def test_email_about_another_batch_is_ignored(
    cloud: Any, console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cli.cloud.results._EMAIL_TIMEOUT", 0.5)
    mailbox.deliver_email("a@example.com", "other", "run-2")
    assert show_new_emails(cloud, "run-1", 0, console) == []
    assert "No email arrived within " in get_output(console)
    assert "run-2" not in get_output(console)
