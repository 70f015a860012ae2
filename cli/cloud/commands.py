"""The commands that need the local cloud: `local`, `mail`, and `invoke`.

`./run` installs the packages of the local cloud for these commands only, so each command imports
its modules when it runs.
"""
# ruff: noqa: PLC0415 - see above

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from cli.console import console, print_message
from contract.exit_codes import EXIT_INTERNAL_ERROR, EXIT_OK
from contract.text import escape_control_characters
from local.errors import UserError

_PANEL = "Local cloud"

_CloudOption = Annotated[
    str,
    typer.Option("--cloud", metavar="NAME", help="Name of the local cloud (see `local status`)."),
]

_local_app = typer.Typer(help="Start, stop, and inspect local clouds.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands of this module to the command line."""
    for command in (mail, invoke):
        app.command(rich_help_panel=_PANEL)(command)
    app.add_typer(_local_app, name="local", rich_help_panel=_PANEL)


@_local_app.command()
def up() -> None:
    """Start a local cloud and deploy the stack. If the cloud is running, update the stack."""
    from cli.cloud.local_cloud import prepare_cloud, show_access_instructions, show_progress
    from cli.target.local_clouds import CLOUD_FOLDER
    from local.cloud import find, start, stop

    cloud = find(CLOUD_FOLDER)
    is_new = cloud is None
    if cloud is None:
        with show_progress("Starting the local cloud", console):
            cloud = start(CLOUD_FOLDER, stop_with_parent=False)
    try:
        prepare_cloud(cloud, console)
    except BaseException:
        if is_new:
            stop(CLOUD_FOLDER)
        raise
    show_access_instructions(cloud, console)


@_local_app.command()
def down(cloud: _CloudOption = "") -> None:
    """Stop local clouds. Their emails are kept.

    By default, stop all local clouds except those of running demos.
    """
    from cli.target.local_clouds import get_running_cloud, list_running_clouds
    from local.cloud import stop

    targets = [get_running_cloud(cloud)] if cloud else list_running_clouds()
    for target in targets:
        if not target.stops_with_parent:
            stop(target.folder)
            console.print(f"Stopped local cloud {target.name}")
            continue
        message = (
            f"local cloud {target.name} belongs to a running demo and stops with it: to stop it"
            " now, stop the demo"
        )
        if cloud:
            raise UserError(message)
        print_message(message)
    if not targets:
        console.print("No local cloud is running.")


@_local_app.command()
def status() -> None:
    """Show the running local clouds, their endpoints, and their most recent executions."""
    from cli.cloud.local_cloud import show_status
    from cli.target.local_clouds import list_running_clouds

    clouds = list_running_clouds()
    for cloud in clouds:
        show_status(cloud, console)
    if not clouds:
        console.print("No local cloud is running. To start one: ./run local up")


def mail(
    show_all: Annotated[bool, typer.Option("--all", help="Show all emails.")] = False,
    last: Annotated[
        int, typer.Option(min=1, metavar="NUMBER", help="Number of most recent emails.")
    ] = 1,
    cloud: _CloudOption = "",
) -> None:
    """Show the most recent emails of a local cloud, even if it is no longer running.

    By default, show emails of the local cloud that received one most recently.
    """
    from cli.cloud.emails import show_emails
    from cli.target.local_clouds import find_mailbox
    from local.mailbox import read_emails

    folder = find_mailbox(cloud)
    emails = read_emails(folder) if folder else []
    if not emails:
        raise UserError("no emails yet: start with ./run demo or ./run local up")
    show_emails(emails if show_all else emails[-last:], console)
    if not show_all and len(emails) > last:
        print_message(f"use --all to show all {len(emails):,} emails")


def invoke(
    function: Annotated[
        str,
        typer.Argument(
            metavar="FUNCTION",
            help="Logical ID or module name of the function, such as receive_upload.",
        ),
    ],
    event: Annotated[
        str, typer.Argument(metavar="EVENT", help="JSON file, or the name of an event in events/.")
    ],
    cloud: _CloudOption = "",
) -> None:
    """Invoke a built function once with Lambda's runtime interface emulator.

    Print the response to stdout and the log to stderr. Requires Linux.
    """
    from cli.cloud.invoke import find_function, read_event
    from cli.target.local_clouds import get_running_cloud
    from local.lambda_runtime import RuntimeUnavailableError
    from local.lambda_runtime import invoke as invoke_function

    event_text = read_event(event)
    try:
        result = invoke_function(find_function(get_running_cloud(cloud), function), event_text)
    except RuntimeUnavailableError as error:
        raise UserError(str(error)) from None
    response = json.dumps(json.loads(result.payload), indent=2, ensure_ascii=False)
    log = result.log.expandtabs()
    typer.echo(escape_control_characters(log, keep_line_breaks=True), err=True)
    typer.echo(escape_control_characters(response, keep_line_breaks=True))
    sys.exit(EXIT_INTERNAL_ERROR if result.is_error else EXIT_OK)
