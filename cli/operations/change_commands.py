"""The options and the help of the commands that change something.

On AWS, each of them asks first: `upload`, `start`, `stop`, `rerun`, and `rollback`.
"""
# ruff: noqa: PLC0415 - the AWS SDK and what uses it is imported only by a command that runs

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.console import console, error_console, print_message
from cli.operations.commands import RunArgument
from cli.target.options import (
    CloudOption,
    ProfileOption,
    RegionOption,
    StackOption,
    YesOption,
)
from local.errors import UserError

_PANEL = "Runs"
_RequiredRun = Annotated[
    str,
    typer.Argument(
        metavar="RUN",
        help="Run ID or the beginning of one, a batch, latest, published, previous, or failed.",
    ),
]


def register(app: typer.Typer) -> None:
    """Add the commands of this module to the command line."""
    for command in (upload, start, stop, rerun, rollback):
        app.command(rich_help_panel=_PANEL)(command)
    app.command(rich_help_panel="Local cloud")(demo)


def upload(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder with the four CSV files.")],
    batch: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="Batch name. Uploads go to raw/NAME/. Default: a new name."
        ),
    ] = "",
    yes: YesOption = False,
    stack: StackOption = "",
    profile: ProfileOption = "",
    region: RegionOption = "",
    cloud: CloudOption = "",
) -> None:
    """Check four CSV files, upload them, watch the run that they start, and show its results."""
    from cli.operations.check import check_files, has_problems, show_files
    from cli.operations.upload import upload_and_watch
    from cli.runs.batch_names import build_batch_prefix, generate_batch_name
    from cli.target.confirmation import confirm
    from cli.target.target import open_target

    batch = batch or generate_batch_name()
    prefix = build_batch_prefix(batch)
    results = check_files(folder)
    if has_problems(results):
        show_files(results, error_console)
        raise UserError(f"the files in {folder} would be rejected: nothing was uploaded")
    for result in results:
        for warning in result.warnings:
            print_message(f"warning: {result.file}: {warning}")
    target = open_target(stack, profile, region, cloud)
    confirm(target, f"This uploads four files to {prefix}, which starts a run", yes=yes)
    try:
        upload_and_watch(target, folder, batch, console)
    except KeyboardInterrupt:
        print_message(f"interrupted; a run that has begun goes on: ./run watch {batch}")
        raise


def start(
    batch: Annotated[
        str, typer.Argument(metavar="BATCH", help="Batch name, or batch prefix such as raw/NAME/.")
    ],
    yes: YesOption = False,
    stack: StackOption = "",
    profile: ProfileOption = "",
    region: RegionOption = "",
    cloud: CloudOption = "",
) -> None:
    """Start the run of a batch that is held because its files were uploaded too far apart."""
    from cli.operations.start import start_batch
    from cli.runs.batch_names import parse_batch
    from cli.target.confirmation import confirm
    from cli.target.target import open_target

    prefix = parse_batch(batch)
    target = open_target(stack, profile, region, cloud)
    confirm(target, f"This starts a run of batch {prefix}", yes=yes)
    console.print(start_batch(target, prefix), soft_wrap=True)


def stop(
    run: _RequiredRun,
    yes: YesOption = False,
    stack: StackOption = "",
    profile: ProfileOption = "",
    region: RegionOption = "",
    cloud: CloudOption = "",
) -> None:
    """Stop a run in progress and terminate its cluster. Readers keep what they see."""
    from cli.operations.stop import check_running, stop_run
    from cli.runs.run_lookup import find_run
    from cli.runs.run_reader import RunReader
    from cli.target.confirmation import confirm
    from cli.target.target import open_target

    target = open_target(stack, profile, region, cloud)
    found = find_run(RunReader(target), run)
    check_running(found)
    confirm(target, f"This stops run {found.run_id} and terminates its cluster", yes=yes)
    clusters = stop_run(target, found)
    console.print(f"Stopped run {found.run_id}.", soft_wrap=True)
    for cluster in clusters:
        console.print(f"Terminating cluster {cluster}.", soft_wrap=True)


def rerun(
    run: _RequiredRun,
    watch: Annotated[
        bool, typer.Option("--watch", help="Follow the new run until it ends.")
    ] = False,
    yes: YesOption = False,
    stack: StackOption = "",
    profile: ProfileOption = "",
    region: RegionOption = "",
    cloud: CloudOption = "",
) -> None:
    """Process the input of a run again, as a new run, and print its ID.

    The new run has the claim time of the original, so a run that was claimed later stays the one
    that readers see. Progress is printed to stderr.
    """
    from cli.operations.rerun import build_input, choose_run_id, find_later_run, start_rerun
    from cli.operations.watch import Watch, show_end
    from cli.runs.run_lookup import find_run
    from cli.runs.run_reader import RunReader
    from cli.target.confirmation import confirm
    from cli.target.polling import parse_duration
    from cli.target.target import open_target

    target = open_target(stack, profile, region, cloud)
    reader = RunReader(target)
    original = find_run(reader, run)
    execution_input = build_input(reader, original)
    new_id = choose_run_id(reader, original.run_id)
    later = find_later_run(target, execution_input)
    if later:
        print_message(f"readers keep {later}, which was claimed later: {new_id} is superseded")
    confirm(target, f"This starts run {new_id}, with a cluster of its own", yes=yes)
    start_rerun(target, new_id, execution_input)
    typer.echo(new_id)
    if watch:
        follower = Watch(target, error_console, parse_duration("10h"))
        started = follower.wait_for_run(original.batch, new_id)
        try:
            show_end(follower.follow(started), error_console, target)
        except KeyboardInterrupt:
            print_message(f"interrupted; the run goes on: ./run watch {new_id} {target.options}")
            raise


def rollback(
    run: RunArgument = "previous",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only show the headline numbers now and then.")
    ] = False,
    reason: Annotated[
        str, typer.Option(metavar="TEXT", help="Why. It is recorded and mailed.")
    ] = "",
    yes: YesOption = False,
    stack: StackOption = "",
    profile: ProfileOption = "",
    region: RegionOption = "",
    cloud: CloudOption = "",
) -> None:
    """Let readers see an earlier run again. All tables change at once.

    The next run that is published becomes visible as usual.
    """
    from cli.operations.rollback import plan_rollback, show_rollback, write_rollback
    from cli.runs.publications import read_publications
    from cli.runs.run_lookup import find_run
    from cli.runs.run_reader import RunReader
    from cli.target.confirmation import confirm
    from cli.target.target import open_target

    target = open_target(stack, profile, region, cloud)
    reader, publications = RunReader(target), read_publications(target)
    plan = plan_rollback(reader, find_run(reader, run, publications), publications)
    show_rollback(plan, console)
    if dry_run:
        return
    restored = plan.restored.run.run_id
    confirm(target, f"This lets readers see run {restored}", yes=yes)
    key = write_rollback(target, plan, reason)
    console.print(f"Readers see run {restored} now: s3://{target.bucket}/{key}", soft_wrap=True)


def demo(
    folder: Annotated[
        Path | None,
        typer.Argument(
            metavar="DIR",
            help="Folder with the four CSV files. Default: generated sample data.",
        ),
    ] = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="Keep the local cloud running after the demo.")
    ] = False,
) -> None:
    """Run the complete pipeline on a new local cloud and show the results."""
    from cli.operations.demo import run_demo

    run_demo(folder, keep, console)
