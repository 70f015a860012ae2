"""Dropping a folder's four files into a local cloud's bucket, and watching what comes of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from botocore.exceptions import ClientError
from rich.console import Console
from tenacity import RetryError, Retrying, retry_if_result, stop_after_delay, wait_fixed

from cli.cloud.live_view import follow
from cli.cloud.local_cloud import step
from cli.cloud.results import show_failure, show_mails_about, show_places, show_results
from cli.cloud.target import stack_outputs, use_cloud_credentials
from contract.datasets import DATASETS
from contract.layout import RAW_PREFIX
from local.cloud import Cloud
from local.errors import UserError
from local.mailbox import read_emails
from pipeline.aws.clients import error_code
from pipeline.aws.executions import execution_arn
from pipeline.ledger.batch import BatchFile, new_run
from pipeline.ledger.batch_ledger import Batch, BatchLedger

_START_LIMIT = 60.0  # seconds; the function's first start takes some
_POLL_SECONDS = 0.2
_LONGEST_KEY = 1024  # bytes


class NotStartedError(Exception):
    """Four valid files came to nothing, which is not for the user to mend."""


def batch_prefix(name: str) -> str:
    """`raw/<name>/`; UserError for a name that is no single folder's, or too long for S3."""
    if not name or "/" in name or name != name.strip() or name in {".", ".."}:
        raise UserError(f"{name!r} is no name of a batch: take one word without a slash")
    prefix = f"{RAW_PREFIX}{name}/"
    if any(len(f"{prefix}{dataset.file}".encode()) > _LONGEST_KEY for dataset in DATASETS):
        raise UserError(f"a batch's name of {len(name):,} letters is too long for S3")
    return prefix


def new_batch_name() -> str:
    """A name that no other batch has: batches that overlap need prefixes of their own."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{uuid4().hex[:6]}"


def upload_files(cloud: Cloud, bucket: str, folder: Path, prefix: str) -> str:
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


def upload_and_watch(cloud: Cloud, folder: Path, batch: str, console: Console) -> int:
    """Drop the files, follow the run that they become, show what it came to.

    0 if it succeeded and was mailed, else 1. UserError where the stack is not deployed, or files
    were refused.
    """
    use_cloud_credentials(cloud)
    names = stack_outputs(cloud)
    if not names:
        raise UserError("the stack is not deployed: ./run local up does that")
    prefix = batch_prefix(batch)
    known = len(read_emails(cloud.mailbox_folder))
    where = f"s3://{names['Bucket']}/{prefix} ({cloud.name})"
    with step(f"dropping four files into {where}", console):
        run_id = upload_files(cloud, names["BucketName"], folder, prefix)
    try:
        execution = watch_run(cloud, names, prefix, run_id, console)
    except NotStartedError as error:
        console.print(str(error), style="bold red", markup=False, highlight=False)
        execution = {}
    is_good = execution.get("status") == "SUCCEEDED"
    if is_good:
        show_results(cloud, names, run_id, console)
    mails = show_mails_about(cloud, run_id if execution else prefix, known, console)
    if execution and not is_good:
        show_failure(cloud, execution, mails, console)
    show_places(cloud, names["BucketName"], console)
    return 0 if is_good and mails else 1


def watch_run(
    cloud: Cloud, outputs: Mapping[str, str], prefix: str, run_id: str, console: Console
) -> dict[str, Any]:
    """Follow the run's execution to its end; what DescribeExecution says of it then.

    If no execution starts: UserError if files were refused, else NotStartedError, both with what is
    waiting. It asks the ledger, so the process has to be a user of the cloud.
    """
    stepfunctions = cloud.client("stepfunctions")
    arn = execution_arn(outputs["StateMachineArn"], run_id)
    try:
        Retrying(
            retry=retry_if_result(lambda is_there: not is_there),
            wait=wait_fixed(_POLL_SECONDS),
            stop=stop_after_delay(_START_LIMIT),
        )(_is_there, stepfunctions, arn)
    except RetryError:
        batch = BatchLedger(outputs["LedgerTableName"]).batch(prefix)
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
