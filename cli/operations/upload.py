"""The command `upload`: upload four files, watch the run that they start, and show its results."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from cli.cloud.results import show_new_emails, show_output_locations
from cli.exit_codes import CommandError, NoResultsError
from cli.operations.watch import Watch
from cli.runs.batch_names import build_batch_prefix
from cli.runs.results import show_results, show_step_logs
from cli.runs.run import Run
from cli.target.target import Target
from contract.datasets import DATASETS
from local.mailbox import read_emails
from pipeline.aws.executions import parse_execution
from pipeline.ledger.batch import BatchFile, new_run
from pipeline.recovery.failures import get_failure

UPLOAD_TIMEOUT = 4 * 3600.0
"""Time in seconds for which `upload` watches the run."""


class NoEmailError(CommandError):
    """A run on a local cloud has sent no email."""


def upload_files(
    target: Target, folder: Path, prefix: str, on_bytes: Callable[[int], Any] = lambda _: None
) -> str:
    """Upload the four files below a batch prefix. Large files are uploaded in parts.

    Args:
        target: The stack.
        folder: Folder with the four input files.
        prefix: The batch prefix.
        on_bytes: Called with the number of bytes that were sent since the last call.

    Returns:
        The ID of the run that they will start. It is derived from their keys and versions, so it
        is known before the run starts.
    """
    s3 = target.client("s3")
    files = {}
    for dataset in DATASETS:
        key = f"{prefix}{dataset.file}"
        s3.upload_file(str(folder / dataset.file), target.bucket, key, Callback=on_bytes)
        head = s3.head_object(Bucket=target.bucket, Key=key)
        files[dataset.name] = BatchFile(
            dataset.name, key, head["VersionId"], head["ContentLength"], "", ""
        )
    return new_run(prefix, files, claimed_at="").run_id


def upload_with_progress(target: Target, folder: Path, prefix: str, console: Console) -> str:
    """Upload the four files, show how many bytes were sent, and return the ID of their run."""
    size = sum((folder / dataset.file).stat().st_size for dataset in DATASETS)
    destination = f"s3://{target.bucket}/{prefix}"
    with Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        console=console,
        disable=not console.is_terminal,
    ) as progress:
        bar = progress.add_task("Uploading", total=size)
        run_id = upload_files(target, folder, prefix, lambda sent: progress.advance(bar, sent))
    console.print(f"Uploaded four files ({size:,} bytes) to {destination}", soft_wrap=True)
    return run_id


def upload_and_watch(
    target: Target, folder: Path, batch: str, console: Console, timeout: float = UPLOAD_TIMEOUT
) -> None:
    """Upload the four files, watch the run that they start, and show its results.

    On a local cloud, also show the emails about the run.

    Args:
        target: The stack.
        folder: Folder with the four input files, which have passed the file check.
        batch: Batch name.
        console: Where to print progress and results.
        timeout: Maximum time in seconds to watch the run.

    Raises:
        UserError: The batch is held.
        NoResultsError: The run ended without results.
        WaitTimeoutError: The run has not started or ended in time.
        NoEmailError: The run sent no email on a local cloud.
    """
    prefix = build_batch_prefix(batch)
    cloud = target.local_cloud
    known_emails = len(read_emails(cloud.mailbox_folder)) if cloud else 0
    run_id = upload_with_progress(target, folder, prefix, console)
    watch = Watch(target, console, timeout)
    run = watch.follow(watch.wait_for_run(prefix, run_id))
    if run.has_results:
        show_results(target, run_id, console)
    texts = []
    if cloud:
        texts = [email.body for email in show_new_emails(cloud, run_id, known_emails, console)]
    if not run.has_results:
        _show_failure(watch, run, texts, console)
    if cloud:
        show_output_locations(cloud, target.bucket, console)
    if not run.has_results:
        raise NoResultsError(
            f"run {run_id} ended without results: ./run show {run_id} {target.options}"
        )
    if cloud and not texts:
        raise NoEmailError(f"run {run_id} has sent no email")


def _show_failure(watch: Watch, run: Run, texts: list[str], console: Console) -> None:
    """Print why a run failed, and the last lines of the logs that the texts link to."""
    description = watch.reader.describe_execution(run.run_id)
    if description:
        failure = get_failure(parse_execution(description))
        state = f" in state {failure.state}" if failure.state else ""
        line = f"Run {run.run_id} ended without results{state}: {failure.message}"
        console.print(line, style="bold red", soft_wrap=True)
    show_step_logs(watch.target, texts, console)
