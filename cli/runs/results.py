"""Show the outcome of a run: KPIs from Athena, or why it failed."""

from __future__ import annotations

import gzip
import itertools
import json
import re
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

from botocore.exceptions import ClientError
from rich.console import Console

from cli.summary import show_answers, show_counts
from cli.target.target import Target
from contract.layout import CLUSTER_LOGS_PREFIX, TRANSFORMATION_JOB, job_report_key
from pipeline.aws.athena import QueryResult, QueryRunner
from pipeline.publication.catalog import build_question_queries

_QUERY_TIMEOUT_MS = 300_000
_LOG_LINES = 15
_LOG_FOLDER_URI = re.compile(rf"s3://([^/\s]+)/({re.escape(CLUSTER_LOGS_PREFIX)}\S+/)")
# EMR writes the job's own messages to stdout, and Spark's with the exit code to stderr.
_LOG_FILES = ("stdout.gz", "stderr.gz")


def show_results(target: Target, run_id: str, console: Console) -> None:
    """Print the answers to all questions about a run, from Athena, and its row counts.

    Args:
        target: The stack.
        run_id: The run ID.
        console: Where to print.
    """
    queries = build_question_queries(run_id)
    runner = QueryRunner(
        target.client("athena"),
        target.database,
        target.workgroup,
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
    content = target.client("s3").get_object(Bucket=target.bucket, Key=key)["Body"].read()
    show_counts(json.loads(content), console)


def show_step_logs(target: Target, texts: Sequence[str], console: Console) -> None:
    """Print the last lines of the logs of the steps that texts about a failure link to.

    Args:
        target: The stack.
        texts: Texts with the URIs of the logs of steps, such as emails about a failure.
        console: Where to print.
    """
    log_folders = dict.fromkeys(_LOG_FOLDER_URI.findall("\n".join(texts)))
    for (bucket, log_folder), name in itertools.product(log_folders, _LOG_FILES):
        key = f"{log_folder}{name}"
        title = f"\nLast lines of s3://{bucket}/{key}:"
        console.print(title, style="bold", soft_wrap=True)
        for line in _read_log(target, bucket, key)[-_LOG_LINES:]:
            console.print(f"  {line}", soft_wrap=True)


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


def _read_log(target: Target, bucket: str, key: str) -> list[str]:
    try:
        content: bytes = target.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    except ClientError as error:
        return [f"cannot read this log: {error}"]
    text = gzip.decompress(content) if Path(key).suffix == ".gz" else content
    return text.decode("utf-8", errors="replace").rstrip().splitlines()
