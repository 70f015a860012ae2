"""Show the outcome of a run on a local cloud: KPIs, emails, failures, and output locations."""

from __future__ import annotations

import gzip
import itertools
import json
import re
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

from botocore.exceptions import ClientError
from rich.console import Console
from tenacity import RetryError, Retrying, retry_if_result, stop_after_delay, wait_fixed

from cli.cloud.emails import show_emails
from cli.summary import show_answers, show_counts
from cli.target.local_clouds import shorten_path
from contract.layout import CLUSTER_LOGS_PREFIX, TRANSFORMATION_JOB, job_report_key
from local.cloud import Cloud
from local.mailbox import Email, read_emails
from pipeline.aws.athena import QueryResult, QueryRunner
from pipeline.aws.executions import parse_execution
from pipeline.publication.catalog import build_question_queries
from pipeline.recovery.failures import get_failure

_EMAIL_TIMEOUT = 30.0  # seconds; the email about an aborted execution arrives a little later
_QUERY_TIMEOUT_MS = 300_000
_LOG_LINES = 15
_LOG_FOLDER_URI = re.compile(rf"s3://([^/\s]+)/({re.escape(CLUSTER_LOGS_PREFIX)}\S+/)")
# EMR writes the job's own messages to stdout, and Spark's with the exit code to stderr.
_LOG_FILES = ("stdout.gz", "stderr.gz")


def show_results(cloud: Cloud, outputs: Mapping[str, str], run_id: str, console: Console) -> None:
    """Print the answers to all questions about a run, from Athena, and its row counts.

    Args:
        cloud: Local cloud with the deployed stack.
        outputs: Outputs of the stack.
        run_id: The run ID.
        console: Where to print.
    """
    queries = build_question_queries(run_id)
    runner = QueryRunner(
        cloud.client("athena"),
        outputs["DatabaseName"],
        outputs["WorkgroupName"],
        # A unique ID: with the run ID, Athena would return the results of `publish_results`.
        uuid4().hex,
        lambda: _QUERY_TIMEOUT_MS,
    )
    results = zip(queries, runner.fetch(queries), strict=True)
    answers = {
        query.name: (_list_columns(result), _parse_rows(result)) for query, result in results
    }
    show_answers(answers, console)
    key = job_report_key(TRANSFORMATION_JOB, run_id)
    content = cloud.client("s3").get_object(Bucket=outputs["BucketName"], Key=key)["Body"].read()
    show_counts(json.loads(content), console)


def show_new_emails(
    cloud: Cloud, mentioned_text: str, known_emails: int, console: Console
) -> list[Email]:
    """Wait for new emails that mention a string, and print them.

    Emails about other batches may arrive at the same time and are ignored.

    Args:
        cloud: Local cloud with the mailbox.
        mentioned_text: String in the body of the emails, such as a run ID.
        known_emails: Number of emails in the mailbox that are not new.
        console: Where to print.

    Returns:
        The emails. The list is empty if none has arrived in time.
    """

    def list_emails() -> list[Email]:
        new_emails = read_emails(cloud.mailbox_folder)[known_emails:]
        return [email for email in new_emails if mentioned_text in email.body]

    with suppress(RetryError):
        Retrying(
            retry=retry_if_result(lambda emails: not emails),
            wait=wait_fixed(0.2),
            stop=stop_after_delay(_EMAIL_TIMEOUT),
        )(list_emails)
    emails = list_emails()
    if not emails:
        console.print(
            f"No email arrived within {_EMAIL_TIMEOUT:.0f} seconds. See the server log:"
            f" {shorten_path(cloud.log)}",
            soft_wrap=True,
        )
    show_emails(emails, console)
    return emails


def show_failure(
    cloud: Cloud, execution: Mapping[str, Any], emails: list[Email], console: Console
) -> None:
    """Print why an execution failed, and the last lines of the logs that the emails link to.

    Args:
        cloud: Local cloud with the logs.
        execution: Response of `DescribeExecution`.
        emails: Emails about the run.
        console: Where to print.
    """
    failure = get_failure(parse_execution(execution))
    state = f" in state {failure.state}" if failure.state else ""
    console.print(
        f"Run {execution['name']} ended with status {execution['status']}{state}:"
        f" {failure.message}",
        style="bold red",
        soft_wrap=True,
    )
    log_folders = dict.fromkeys(_LOG_FOLDER_URI.findall("\n".join(email.body for email in emails)))
    for (bucket, log_folder), name in itertools.product(log_folders, _LOG_FILES):
        key = f"{log_folder}{name}"
        title = f"\nLast lines of s3://{bucket}/{key}:"
        console.print(title, style="bold", soft_wrap=True)
        for line in _read_log(cloud, bucket, key)[-_LOG_LINES:]:
            console.print(f"  {line}", soft_wrap=True)


def show_output_locations(cloud: Cloud, bucket: str, console: Console) -> None:
    """Print the number of objects below each top-level prefix of the bucket, and local paths."""
    pages = cloud.client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket)
    keys = (entry["Key"] for page in pages for entry in page.get("Contents", []))
    counts = Counter(key.partition("/")[0] for key in keys)
    console.print("\nOutput", style="bold")
    lines = [
        f"s3://{bucket}/{prefix}/  {_format_object_count(count)}"
        for prefix, count in sorted(counts.items())
    ]
    lines += [f"Emails: {shorten_path(cloud.mailbox_folder)}"]
    lines += [f"Server log: {shorten_path(cloud.log)}"]
    for line in lines:
        console.print(f"  {line}", soft_wrap=True)


def _format_object_count(count: int) -> str:
    return "1 object" if count == 1 else f"{count:,} objects"


def _list_columns(result: QueryResult) -> list[str]:
    return [column.name for column in result.columns]


def _parse_rows(result: QueryResult) -> list[tuple[Any, ...]]:
    """Return the rows with numbers as `Decimal`. Athena returns text only."""
    are_numbers = [column.is_number for column in result.columns]
    return [
        tuple(
            Decimal(value) if is_number and value is not None else value
            for is_number, value in zip(are_numbers, row, strict=True)
        )
        for row in result.rows
    ]


def _read_log(cloud: Cloud, bucket: str, key: str) -> list[str]:
    try:
        content: bytes = cloud.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    except ClientError as error:
        return [f"cannot read this log: {error}"]
    text = gzip.decompress(content) if Path(key).suffix == ".gz" else content
    return text.decode("utf-8", errors="replace").rstrip().splitlines()
