"""Dropping a folder's four files into a local cloud's bucket, and watching what comes of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError
from rich.console import Console
from tenacity import RetryError, Retrying, retry_if_result, stop_after_delay, wait_fixed

from cli.errors import UserError
from cli.live import follow
from contract.datasets import DATASETS
from contract.layout import RAW
from local.cloud import Cloud
from pipeline.aws import error_code
from pipeline.batches import BatchFile, new_run
from pipeline.executions import execution_arn
from pipeline.ledger import Batch, Ledger

_START_LIMIT = 60.0  # seconds; the function's first start takes some
_POLL_SECONDS = 0.2


class NotStartedError(Exception):
    """Four valid files came to nothing, which is not for the user to mend."""


def batch_prefix(name: str) -> str:
    """`raw/<name>/`; UserError for a name that is no single folder's."""
    if not name or "/" in name or name != name.strip() or name in {".", ".."}:
        raise UserError(f"{name!r} is no name of a batch: take one word without a slash")
    return f"{RAW}{name}/"


def new_batch_name() -> str:
    """A name that no other batch has: batches that overlap need prefixes of their own."""
    return datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")


def drop_files(cloud: Cloud, bucket: str, folder: Path, prefix: str) -> str:
    """Put the four files below the prefix; the id of the run that they are to become.

    The run's id comes from keys and versions, so it is known before anything has started.
    """
    s3 = cloud.client("s3")
    files = {}
    for dataset in DATASETS:
        key = f"{prefix}{dataset.file}"
        path = folder / dataset.file
        with path.open("rb") as content:
            put = s3.put_object(Bucket=bucket, Key=key, Body=content)
        size = path.stat().st_size
        files[dataset.name] = BatchFile(dataset.name, key, put["VersionId"], size, "", "")
    return new_run(prefix, files, claimed_at="").run_id


def watch_run(
    cloud: Cloud, outputs: Mapping[str, str], prefix: str, run_id: str, console: Console
) -> dict[str, Any]:
    """Follow the run's execution to its end; what DescribeExecution says of it then.

    If no execution starts: UserError if files were refused, else NotStartedError, both with what is
    waiting. It asks the ledger, so the process has to be a user of the cloud.
    """
    stepfunctions = cloud.client("stepfunctions")
    arn = execution_arn(outputs["StateMachine"], run_id)
    try:
        Retrying(
            retry=retry_if_result(lambda is_there: not is_there),
            wait=wait_fixed(_POLL_SECONDS),
            stop=stop_after_delay(_START_LIMIT),
        )(_is_there, stepfunctions, arn)
    except RetryError:
        batch = Ledger(outputs["Ledger"]).batch(prefix)
        kind = UserError if batch.refused else NotStartedError
        raise kind(what_is_waiting(batch)) from None
    return follow(stepfunctions, arn, console)


def what_is_waiting(batch: Batch) -> str:
    """Why a batch has not become a run, line by line."""
    lines = [f"no run has started from {batch.prefix} in {_START_LIMIT:.0f} seconds"]
    for dataset in DATASETS:
        if dataset.name in batch.refused:
            state = f"refused: {batch.refused[dataset.name].problems}"
        elif dataset.name in batch.files:
            state = "there, waiting for the others"
        else:
            state = "not noted"
        lines.append(f"{dataset.file}: {state}")
    if batch.claimed:
        lines.append("claimed, and not yet started: the watchdog will start it")
    return "\n".join(lines)


def _is_there(stepfunctions: Any, arn: str) -> bool:
    try:
        stepfunctions.describe_execution(executionArn=arn)
    except ClientError as error:
        if error_code(error) == "ExecutionDoesNotExist":
            return False
        raise
    return True
