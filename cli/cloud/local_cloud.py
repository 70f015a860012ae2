"""Prepare a local cloud and show its status."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.text import Text

from cli.target.local_clouds import format_access_instructions, get_stack_outputs, shorten_path
from local.cloud import Cloud
from local.deployment import deploy
from local.mailbox import confirm_subscriptions

_MAX_EXECUTIONS = 10


def prepare_cloud(cloud: Cloud, console: Console) -> None:
    """Deploy the stack and confirm its email subscription, as the subscriber would.

    Raises:
        DeploymentError: The build or the deployment failed.
    """
    with show_progress("Building and deploying the stack", console):
        deploy(cloud)
    confirm_subscriptions(cloud)


def show_access_instructions(cloud: Cloud, console: Console) -> None:
    """Print how to use a cloud with the AWS CLI or boto3, and how to stop it."""
    console.print(
        f"\nThe local cloud is running at {cloud.endpoint}."
        " To use it with the AWS CLI or boto3, run:\n",
        soft_wrap=True,
    )
    console.print(format_access_instructions(cloud), soft_wrap=True)
    console.print("\nTo stop it: ./run local down")


def show_status(cloud: Cloud, console: Console) -> None:
    """Print the endpoint of a cloud and the most recent executions, newest first."""
    location = f"{cloud.endpoint}, process {cloud.pid}, folder {shorten_path(cloud.folder)}"
    console.print(f"{cloud.name}: {location}", soft_wrap=True)
    outputs = get_stack_outputs(cloud)
    if not outputs:
        console.print("  The stack is not deployed.")
        return
    pages = cloud.client("stepfunctions").get_paginator("list_executions")
    executions = sorted(
        (
            execution
            for page in pages.paginate(stateMachineArn=outputs["StateMachineArn"])
            for execution in page["executions"]
        ),
        key=lambda execution: execution["startDate"],
        reverse=True,
    )
    for execution in executions[:_MAX_EXECUTIONS]:
        started = f"{execution['startDate'].astimezone():%Y-%m-%d %H:%M:%S}"
        line = f"  {started}  {execution['status']:10} {execution['name']}"
        console.print(line, soft_wrap=True)
    if len(executions) > _MAX_EXECUTIONS:
        older = len(executions) - _MAX_EXECUTIONS
        console.print(f"  and {older:,} older")
    if not executions:
        console.print("  No executions yet. To start one: ./run upload DIR")


@contextmanager
def show_progress(description: str, console: Console) -> Iterator[None]:
    """Show what the block is doing while it runs and, if it succeeds, how long it took."""
    start = time.monotonic()
    with console.status(Text(description)):
        yield
    seconds = time.monotonic() - start
    line = f"{description} ({seconds:.1f} s)"
    console.print(line, soft_wrap=True)
