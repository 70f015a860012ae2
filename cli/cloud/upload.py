"""Upload four files to the bucket of a local cloud and watch the run that they start."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError
from rich.console import Console
from tenacity import RetryError, Retrying, retry_if_result, stop_after_delay, wait_fixed

from cli.cloud.local_cloud import show_progress
from cli.cloud.results import show_failure, show_new_emails, show_output_locations, show_results
from cli.runs.batch_names import build_batch_prefix
from cli.runs.live_view import watch_execution
from cli.target.local_clouds import get_stack_outputs
from contract.datasets import DATASETS
from contract.exit_codes import EXIT_INTERNAL_ERROR, EXIT_OK
from local.cloud import Cloud
from local.errors import UserError
from local.mailbox import read_emails
from pipeline.aws.clients import error_code
from pipeline.aws.executions import build_execution_arn
from pipeline.ledger.batch import BatchFile, new_run
from pipeline.ledger.batch_item import Batch
from pipeline.ledger.batch_ledger import BatchLedger
from pipeline.ledger.table import LedgerTable

_START_TIMEOUT = 60.0  # seconds; includes the cold start of the function
_POLL_SECONDS = 0.2


class RunNotStartedError(Exception):
    """Four valid files started no run, for a reason that the user cannot fix."""


def upload_files(cloud: Cloud, bucket: str, folder: Path, prefix: str) -> str:
    """Upload the four files below a batch prefix.

    Returns:
        The ID of the run that they will start. It is derived from their keys and versions, so it
        is known before the run starts.
    """
    s3 = cloud.client("s3")
    files = {}
    for dataset in DATASETS:
        key = f"{prefix}{dataset.file}"
        path = folder / dataset.file
        with path.open("rb") as content:
            response = s3.put_object(Bucket=bucket, Key=key, Body=content)
        size = path.stat().st_size
        files[dataset.name] = BatchFile(dataset.name, key, response["VersionId"], size, "", "")
    return new_run(prefix, files, claimed_at="").run_id


def upload_and_watch(cloud: Cloud, folder: Path, batch: str, console: Console) -> int:
    """Upload the four files, watch the run that they start, and show its results.

    Args:
        cloud: Local cloud with the deployed stack.
        folder: Folder with the four input files.
        batch: Batch name.
        console: Where to print progress and results.

    Returns:
        0 if the run succeeded and sent an email, otherwise 1.

    Raises:
        UserError: The stack is not deployed, or files were rejected.
    """
    outputs = get_stack_outputs(cloud)
    if not outputs:
        raise UserError("the stack is not deployed: deploy it with ./run local up")
    bucket = outputs["BucketName"]
    prefix = build_batch_prefix(batch)
    known_emails = len(read_emails(cloud.mailbox_folder))
    with show_progress(
        f"Uploading four files to s3://{bucket}/{prefix} in local cloud {cloud.name}", console
    ):
        run_id = upload_files(cloud, bucket, folder, prefix)
    try:
        execution = watch_run(cloud, outputs, prefix, run_id, console)
    except RunNotStartedError as error:
        console.print(str(error), style="bold red")
        execution = {}
    has_succeeded = execution.get("status") == "SUCCEEDED"
    if has_succeeded:
        show_results(cloud, outputs, run_id, console)
    emails = show_new_emails(cloud, run_id if execution else prefix, known_emails, console)
    if execution and not has_succeeded:
        show_failure(cloud, execution, emails, console)
    show_output_locations(cloud, bucket, console)
    return EXIT_OK if has_succeeded and emails else EXIT_INTERNAL_ERROR


def watch_run(
    cloud: Cloud, outputs: Mapping[str, str], prefix: str, run_id: str, console: Console
) -> dict[str, Any]:
    """Watch the execution of a run until it ends.

    Args:
        cloud: Local cloud with the deployed stack.
        outputs: Outputs of the stack.
        prefix: Batch prefix of the run.
        run_id: The run ID.
        console: Where to print progress.

    Returns:
        The response of `DescribeExecution` after the end.

    Raises:
        UserError: No execution started because files were rejected.
        RunNotStartedError: No execution started for another reason.
        WaitTimeoutError: The execution did not end in time.
    """
    stepfunctions = cloud.client("stepfunctions")
    arn = build_execution_arn(outputs["StateMachineArn"], run_id)
    try:
        Retrying(
            retry=retry_if_result(lambda exists: not exists),
            wait=wait_fixed(_POLL_SECONDS),
            stop=stop_after_delay(_START_TIMEOUT),
        )(_execution_exists, stepfunctions, arn)
    except RetryError:
        table = LedgerTable(cloud.client("dynamodb"), outputs["LedgerTableName"])
        batch = BatchLedger(table).get_batch(prefix)
        error_class = UserError if batch.rejected else RunNotStartedError
        raise error_class(describe_pending_batch(batch)) from None
    return watch_execution(stepfunctions, arn, console)


def describe_pending_batch(batch: Batch) -> str:
    """Return the reasons why a batch has started no run, one line for each file."""
    lines = [f"no run started for batch {batch.prefix} within {_START_TIMEOUT:.0f} seconds"]
    for dataset in DATASETS:
        if dataset.name in batch.rejected:
            state = f"rejected: {batch.rejected[dataset.name].problems}"
        elif dataset.name in batch.files:
            state = "valid, waiting for the other files"
        else:
            state = "not recorded"
        lines.append(f"{dataset.file}: {state}")
    if batch.claimed_runs:
        lines.append("the batch is claimed, and the watchdog will start its run")
    return "\n".join(lines)


def _execution_exists(stepfunctions: Any, arn: str) -> bool:
    try:
        stepfunctions.describe_execution(executionArn=arn)
    except ClientError as error:
        if error_code(error) == "ExecutionDoesNotExist":
            return False
        raise
    return True
