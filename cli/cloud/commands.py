"""The commands that need the local cloud: `local up|down|status`, `demo`, `drop`, `mail`, `invoke`.

What they need is imported when they run, since `./run` installs it for them alone.
"""
# ruff: noqa: PLC0415 - that is what these imports inside functions are

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from local.errors import UserError

Named = Annotated[
    str, typer.Option("--cloud", metavar="NAME", help="Which, as `local status` names them.")
]

local = typer.Typer(help="A local cloud of your own, until you end it.", no_args_is_help=True)
console = Console()


def register(app: typer.Typer) -> None:
    """Add all of them to the program's commands."""
    app.command()(demo)
    app.add_typer(local, name="local")
    app.command()(drop)
    app.command("mail")(show_mail)
    app.command()(invoke)


def demo(
    source: Annotated[
        Path | None,
        typer.Argument(metavar="DIR", help="Folder of the four CSV files. Default: made up."),
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the local cloud running.")] = False,
) -> None:
    """Start a local cloud, deploy the stack, drop four files, watch the run, show the results."""
    from cli.cloud import demo as command

    with _failures():
        sys.exit(command.demo(source, keep, console))


@local.command()
def up() -> None:
    """Start a local cloud and deploy the stack; deploys again where it runs already."""
    from cli.cloud.local_cloud import set_up, show_how_to_reach, step
    from cli.cloud.target import CLOUD
    from local.cloud import find, start, stop

    with _failures():
        cloud = find(CLOUD)
        is_new = cloud is None
        if cloud is None:
            with step("starting the local cloud", console):
                cloud = start(CLOUD, stop_with_parent=False)
        try:
            set_up(cloud, console)
        except BaseException:
            if is_new:
                stop(CLOUD)  # half a cloud is of no use
            raise
        show_how_to_reach(cloud, console)


@local.command()
def down(cloud: Named = "") -> None:
    """End the local cloud, and those that a demo kept, or one of them; the mails stay."""
    from cli.cloud.target import running_cloud, running_clouds
    from local.cloud import stop

    ending = [running_cloud(cloud)] if cloud else running_clouds()
    with _failures():
        for one in ending:
            if not one.stops_with_parent:
                stop(one.folder)
                console.print(f"ended {one.name}", highlight=False)
                continue
            words = f"{one.name} belongs to a demo that is under way, and ends with it"
            if cloud:
                raise UserError(words)
            console.print(words)
    if not ending:
        console.print("no local cloud was running")


@local.command()
def status() -> None:
    """Say which local clouds run, how they are reached, and what was executed there."""
    from cli.cloud.local_cloud import show_status
    from cli.cloud.target import running_clouds

    clouds = running_clouds()
    for cloud in clouds:
        show_status(cloud, console)
    if not clouds:
        console.print("no local cloud is running: ./run local up starts one", highlight=False)


def drop(
    source: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of the four CSV files.")],
    batch: Annotated[
        str | None, typer.Option(help="Its folder below raw/. Default: a new one.")
    ] = None,
    cloud: Named = "",
) -> None:
    """Drop a folder's files into the local cloud that runs, and follow the run."""
    from cli.cloud.target import running_cloud
    from cli.cloud.upload import batch_prefix, new_batch_name, upload_and_watch
    from local.spark.input_folder import check_folder

    if batch is None:
        batch = new_batch_name()
    batch_prefix(batch)
    for warning in check_folder(source):
        typer.echo(f"run: {warning}", err=True)
    with _failures():
        sys.exit(upload_and_watch(running_cloud(cloud), source, batch, console))


def show_mail(
    everything: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
    last: Annotated[int, typer.Option(min=1, help="So many of the newest.")] = 1,
    cloud: Named = "",
) -> None:
    """Show the newest mails of the local cloud that got one last, running or not."""
    from cli.cloud.mail import show_mails
    from cli.cloud.target import mailbox
    from local.mailbox import read_emails

    folder = mailbox(cloud)
    mails = read_emails(folder) if folder else []
    if not mails:
        raise UserError("no mail: ./run demo or ./run local up makes some")
    show_mails(mails if everything else mails[-last:], console)
    if not everything and len(mails) > last:
        typer.echo(f"run: {len(mails) - last} earlier ones with --all", err=True)


def invoke(
    function: Annotated[str, typer.Argument(help="Its logical id, or its module's name.")],
    event: Annotated[str, typer.Argument(help="A file, or the name of one in events/.")],
    cloud: Named = "",
) -> None:
    """Run a built function once on Lambda's own runtime interface; its log goes to stderr."""
    from cli.cloud.invoke import find_event, find_function
    from cli.cloud.target import running_cloud
    from local.lambda_runtime import RuntimeUnavailableError
    from local.lambda_runtime import invoke as run_once

    text = find_event(event)
    try:
        outcome = run_once(find_function(running_cloud(cloud), function), text)
    except RuntimeUnavailableError as error:
        raise UserError(str(error)) from None
    typer.echo(outcome.log, err=True)
    typer.echo(json.dumps(json.loads(outcome.payload), indent=2, ensure_ascii=False))
    sys.exit(1 if outcome.is_error else 0)


@contextmanager
def _failures() -> Iterator[None]:
    """What broke, and is not the user's to mend, is said in its own words; exit code 1."""
    from cli.cloud.live_view import StillRunningError
    from local.cloud import CloudError
    from local.deployment import DeploymentError

    try:
        yield
    except (CloudError, DeploymentError, StillRunningError) as error:
        for line in str(error).splitlines():
            typer.echo(f"run: {line}", err=True)
        sys.exit(1)
