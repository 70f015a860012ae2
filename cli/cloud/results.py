"""What a run on a local cloud came to: its numbers, its mail, and where everything lies."""

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

from cli.cloud.mail import show_mails
from cli.cloud.target import shown
from cli.summary import show_answers, show_counts
from contract.layout import TRANSFORMATION_JOB, job_report_key
from local.cloud import Cloud
from local.mailbox import Email, read_emails
from pipeline.aws import athena
from pipeline.aws.executions import from_description
from pipeline.publication.catalog import questions
from pipeline.recovery.failures import failure_from_execution

_MAIL_LIMIT = 30.0  # seconds; who mails about an abort hears of it a little later
_QUERY_LIMIT_MS = 300_000
_LOG_LINES = 15
_LOGS = re.compile(r"The logs: s3://([^/\s]+)/(\S+/)")
# The job's words, which Spark passes on, and then Spark's own with the exit code.
_FILES = ("stdout.gz", "stderr.gz")


def show_results(cloud: Cloud, outputs: Mapping[str, str], run_id: str, console: Console) -> None:
    """Print the KPI tables as Athena gives them, and what became of the rows.

    The process has to be a user of the cloud.
    """
    asked = questions(run_id)
    # Under a name of its own: under the run's it would find what `publish_results` asked.
    workgroup = athena.Athena(
        outputs["DatabaseName"], outputs["WorkgroupName"], uuid4().hex, lambda: _QUERY_LIMIT_MS
    )
    answers = zip(asked, workgroup.fetch(asked), strict=True)
    show_answers(
        {question.name: (_columns(answer), _rows(answer)) for question, answer in answers}, console
    )
    key = job_report_key(TRANSFORMATION_JOB, run_id)
    content = cloud.client("s3").get_object(Bucket=outputs["BucketName"], Key=key)["Body"].read()
    show_counts(json.loads(content), console)


def show_mails_about(cloud: Cloud, words: str, known: int, console: Console) -> list[Email]:
    """Print the mails with these words that came after the first `known` ones; the mails.

    It waits until there is one: other batches are mailed about too.
    """

    def found() -> list[Email]:
        return [mail for mail in read_emails(cloud.mailbox_folder)[known:] if words in mail.body]

    with suppress(RetryError):
        Retrying(
            retry=retry_if_result(lambda mails: not mails),
            wait=wait_fixed(0.2),
            stop=stop_after_delay(_MAIL_LIMIT),
        )(found)
    mails = found()
    if not mails:
        console.print(f"no mail went out; see {shown(cloud.log)}", markup=False, soft_wrap=True)
    show_mails(mails, console)
    return mails


def show_failure(
    cloud: Cloud, execution: Mapping[str, Any], mails: list[Email], console: Console
) -> None:
    """Print how an execution failed, and the end of each log that a mail names."""
    failure = failure_from_execution(from_description(execution))
    where = f" at {failure.state}" if failure.state else ""
    console.print(
        f"Run {execution['name']} ended {execution['status']}{where}: {failure.message}",
        style="bold red",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
    folders = dict.fromkeys(_LOGS.findall("\n".join(mail.body for mail in mails)))
    for (bucket, folder), name in itertools.product(folders, _FILES):
        key = f"{folder}{name}"
        lines = _log_lines(cloud, bucket, key)
        title = f"\nThe end of s3://{bucket}/{key}"
        console.print(title, style="bold", markup=False, highlight=False, soft_wrap=True)
        for line in lines[-_LOG_LINES:]:
            console.print(f"  {line}", markup=False, highlight=False, soft_wrap=True)


def show_places(cloud: Cloud, bucket: str, console: Console) -> None:
    """Print what lies below each first folder of the bucket, and where the mails are."""
    pages = cloud.client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket)
    keys = (entry["Key"] for page in pages for entry in page.get("Contents", []))
    counts = Counter(key.partition("/")[0] for key in keys)
    console.print("\nWhere everything lies", style="bold")
    for folder, count in sorted(counts.items()):
        console.print(f"  s3://{bucket}/{folder}/  {_objects(count)}", markup=False, soft_wrap=True)
    console.print(f"  mails: {shown(cloud.mailbox_folder)}", markup=False, soft_wrap=True)
    console.print(f"  what the cloud said: {shown(cloud.log)}", markup=False, soft_wrap=True)


def _objects(count: int) -> str:
    return "1 object" if count == 1 else f"{count:,} objects"


def _columns(answer: athena.QueryResult) -> list[str]:
    return [column.name for column in answer.columns]


def _rows(answer: athena.QueryResult) -> list[tuple[Any, ...]]:
    """The rows with numbers as such; Athena gives texts."""
    kinds = [column.is_number for column in answer.columns]
    return [
        tuple(
            Decimal(value) if is_number and value is not None else value
            for is_number, value in zip(kinds, row, strict=True)
        )
        for row in answer.rows
    ]


def _log_lines(cloud: Cloud, bucket: str, key: str) -> list[str]:
    try:
        content: bytes = cloud.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    except ClientError as error:
        return [f"it cannot be read: {error}"]
    plain = gzip.decompress(content) if Path(key).suffix == ".gz" else content
    return plain.decode("utf-8", errors="replace").rstrip().splitlines()
