"""`./run demo`: the whole system once, from an empty account to the mail."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from cli.drop import NotStartedError, batch_prefix, drop_files, new_batch_name, watch_run
from cli.errors import UserError
from cli.inputs import check_folder
from cli.reach import become_user, how_to_reach, shown, stack_outputs, start_for_demo
from cli.results import show_failure, show_mail_since, show_places, show_results
from cli.sample import write_sample
from local.cloud import Cloud, stop
from local.deployment import deploy
from local.mail import confirm_subscriptions, read_mails

_RENTALS = 5_000
_DIRT = 0.01
_EXECUTIONS = 10  # of the newest, in a status


def demo(folder: Path | None, keep: bool, console: Console) -> int:
    """Run the demo on a folder's files, or on made-up ones; the exit code.

    The cloud ends with it, whatever happens, unless `keep`. UserError, CloudError, DeploymentError.
    """
    warnings = check_folder(folder) if folder else []
    with step("starting the local cloud", console):
        cloud = start_for_demo(attached=not keep)
    try:
        if folder is None:
            folder = cloud.folder / "input"
            with step(f"making {_RENTALS:,} rentals and what belongs to them", console):
                write_sample(folder, _RENTALS, _DIRT, seed=0)
            warnings = check_folder(folder)
        for warning in warnings:
            console.print(warning, markup=False)
        set_up(cloud, console)
        return drop_and_show(cloud, folder, new_batch_name(), console)
    finally:
        if keep:
            show_how_to_reach(cloud, console)
        else:
            stop(cloud.folder)
            console.print(
                "\nThe local cloud has ended, its bucket with it; --keep leaves it running."
            )


def set_up(cloud: Cloud, console: Console) -> None:
    """Deploy the stack and confirm its mail subscription, as its reader would."""
    with step("building and deploying", console):
        deploy(cloud)
    confirm_subscriptions(cloud)


def drop_and_show(cloud: Cloud, folder: Path, batch: str, console: Console) -> int:
    """Drop the files, follow the run that they become, show what it came to.

    0 if it succeeded and was mailed, else 1. UserError where the stack is not deployed, or files
    were refused.
    """
    become_user(cloud)
    names = stack_outputs(cloud)
    if not names:
        raise UserError("the stack is not deployed: ./run local up does that")
    prefix = batch_prefix(batch)
    known = len(read_mails(cloud.mailbox))
    with step(f"dropping four files into s3://{names['Bucket']}/{prefix}", console):
        run_id = drop_files(cloud, names["Bucket"], folder, prefix)
    try:
        execution = watch_run(cloud, names, prefix, run_id, console)
    except NotStartedError as error:
        console.print(str(error), style="bold red", markup=False, highlight=False)
        execution = {}
    is_good = execution.get("status") == "SUCCEEDED"
    if is_good:
        show_results(cloud, names, run_id, console)
    mails = show_mail_since(cloud, known, console)
    if execution and not is_good:
        show_failure(cloud, execution, mails, console)
    show_places(cloud, names["Bucket"], console)
    return 0 if is_good and mails else 1


def show_how_to_reach(cloud: Cloud, console: Console) -> None:
    """Print what a shell needs for its `aws` and boto3 to reach the cloud, and how it is ended."""
    console.print(f"\nThe local cloud is at {cloud.endpoint}. To reach it:\n", highlight=False)
    console.print(how_to_reach(cloud), markup=False, highlight=False, soft_wrap=True)
    console.print("\n./run local down ends it.", highlight=False)


@contextmanager
def step(words: str, console: Console) -> Iterator[None]:
    """Say what is being done while it is, and then how long it took."""
    began = time.monotonic()
    with console.status(words):
        yield
    seconds = time.monotonic() - began
    console.print(f"{words}  {seconds:.1f} s", markup=False, highlight=False, soft_wrap=True)


def show_status(cloud: Cloud, console: Console) -> None:
    """Print where a cloud is, whether the stack is deployed, and its executions, newest first."""
    place = f"{cloud.endpoint}, process {cloud.pid}, in {shown(cloud.folder)}"
    console.print(f"{cloud.name}: {place}", markup=False, highlight=False, soft_wrap=True)
    names = stack_outputs(cloud)
    if not names:
        console.print("  the stack is not deployed", markup=False)
        return
    executions = cloud.client("stepfunctions").list_executions(
        stateMachineArn=names["StateMachine"], maxResults=_EXECUTIONS
    )["executions"]
    for execution in executions:
        started = f"{execution['startDate'].astimezone():%Y-%m-%d %H:%M:%S}"
        line = f"  {started}  {execution['status']:10} {execution['name']}"
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    if not executions:
        console.print("  nothing was executed yet: ./run drop DIR", markup=False)
