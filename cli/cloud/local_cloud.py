"""Making a local cloud ready, and saying what is there."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console

from cli.cloud.target import access_instructions, shown, stack_outputs
from local.cloud import Cloud
from local.deployment import deploy
from local.mailbox import confirm_subscriptions

_EXECUTIONS = 10  # of the newest, in a status


def set_up(cloud: Cloud, console: Console) -> None:
    """Deploy the stack and confirm its mail subscription, as its reader would."""
    with step("building and deploying", console):
        deploy(cloud)
    confirm_subscriptions(cloud)


def show_how_to_reach(cloud: Cloud, console: Console) -> None:
    """Print what a shell needs for its `aws` and boto3 to reach the cloud, and how it is ended."""
    console.print(f"\nThe local cloud is at {cloud.endpoint}. To reach it:\n", highlight=False)
    console.print(access_instructions(cloud), markup=False, highlight=False, soft_wrap=True)
    console.print("\n./run local down ends it.", highlight=False)


def show_status(cloud: Cloud, console: Console) -> None:
    """Print where a cloud is, whether the stack is deployed, and its executions, newest first."""
    place = f"{cloud.endpoint}, process {cloud.pid}, in {shown(cloud.folder)}"
    console.print(f"{cloud.name}: {place}", markup=False, highlight=False, soft_wrap=True)
    names = stack_outputs(cloud)
    if not names:
        console.print("  the stack is not deployed", markup=False)
        return
    pages = cloud.client("stepfunctions").get_paginator("list_executions")
    executions = sorted(
        (
            execution
            for page in pages.paginate(stateMachineArn=names["StateMachineArn"])
            for execution in page["executions"]
        ),
        key=lambda execution: execution["startDate"],
        reverse=True,
    )
    for execution in executions[:_EXECUTIONS]:
        started = f"{execution['startDate'].astimezone():%Y-%m-%d %H:%M:%S}"
        line = f"  {started}  {execution['status']:10} {execution['name']}"
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    if len(executions) > _EXECUTIONS:
        console.print(f"  and {len(executions) - _EXECUTIONS:,} earlier", markup=False)
    if not executions:
        console.print("  nothing was executed yet: ./run drop DIR", markup=False)


@contextmanager
def step(words: str, console: Console) -> Iterator[None]:
    """Say what is being done while it is, and then how long it took."""
    began = time.monotonic()
    with console.status(words):
        yield
    seconds = time.monotonic() - began
    console.print(f"{words}  {seconds:.1f} s", markup=False, highlight=False, soft_wrap=True)
