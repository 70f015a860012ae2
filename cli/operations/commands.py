"""The options and the help of the commands that read: `runs`, `show`, `watch`, and `check`."""
# ruff: noqa: PLC0415 - the AWS SDK and what uses it is imported only by a command that runs

from __future__ import annotations

import sys
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cli.console import console, error_console, print_message
from cli.exit_codes import EXIT_INVALID_INPUT, EXIT_NO_RESULTS
from cli.json_output import print_json
from cli.target.options import (
    CloudOption,
    JsonOption,
    ProfileOption,
    RegionOption,
    StackOption,
)

_PANEL = "Runs"

RunArgument = Annotated[
    str,
    typer.Argument(
        metavar="[RUN]",
        help="Run ID or the beginning of one, a batch, latest, published, previous, or failed.",
    ),
]


class StatusChoice(StrEnum):
    """The status of a run, as an option accepts it."""

    WAITING = "waiting"
    RUNNING = "running"
    PUBLISHED = "published"
    SUPERSEDED = "superseded"
    VERIFIED = "verified"
    FAILED = "failed"


def register(app: typer.Typer) -> None:
    """Add the commands of this module to the command line."""
    for command in (runs, show, watch, check):
        app.command(rich_help_panel=_PANEL)(command)


def runs(
    limit: Annotated[int, typer.Option(min=1, metavar="NUMBER", help="Maximum number.")] = 20,
    status: Annotated[
        StatusChoice | None,
        typer.Option(case_sensitive=False, help="Only runs with this status."),
    ] = None,
    batch: Annotated[str, typer.Option(metavar="NAME", help="Only runs of this batch.")] = "",
    since: Annotated[
        str,
        typer.Option(metavar="TIME", help="Only runs since a day or time (UTC), or since 7d."),
    ] = "",
    stack: StackOption = "",
    profile: ProfileOption = "",
    region: RegionOption = "",
    cloud: CloudOption = "",
    as_json: JsonOption = False,
) -> None:
    """List the runs, newest first, and mark the one that readers see."""
    from cli.operations.runs import build_document, list_runs, make_filter, show_runs
    from cli.target.target import open_target

    now = datetime.now(UTC)
    run_filter = make_filter(limit, status.upper() if status else "", batch, since, now)
    listed = list_runs(open_target(stack, profile, region, cloud), run_filter)
    if as_json:
        print_json("runs", build_document(listed, now))
    else:
        show_runs(listed, console, now)


def show(
    run: RunArgument = "latest",
    against: Annotated[str, typer.Option(metavar="RUN", help="Compare with another run.")] = "",
    exit_status: Annotated[
        bool, typer.Option("--exit-status", help="Exit with 3 if the run ended without results.")
    ] = False,
    stack: StackOption = "",
    profile: ProfileOption = "",
    region: RegionOption = "",
    cloud: CloudOption = "",
    as_json: JsonOption = False,
) -> None:
    """Show everything about a run: its states, input, row counts, totals, cost, and failure."""
    from cli.operations.show import build_document, show_run
    from cli.runs.comparison import compare
    from cli.runs.publications import read_publications
    from cli.runs.run_details import read_details
    from cli.runs.run_lookup import find_run
    from cli.runs.run_reader import RunReader
    from cli.target.target import open_target

    now = datetime.now(UTC)
    target = open_target(stack, profile, region, cloud)
    reader, publications = RunReader(target), read_publications(target)
    details = read_details(reader, find_run(reader, run, publications), publications, now)
    comparison = None
    if against:
        other = find_run(reader, against, publications)
        comparison = compare(details, read_details(reader, other, publications, now))
    if as_json:
        content = build_document(target, details, publications, comparison, now)
        print_json("run", content)
    else:
        show_run(target, details, publications, comparison, console, now)
    if exit_status and details.run.has_ended and not details.run.has_results:
        sys.exit(EXIT_NO_RESULTS)


def watch(
    run: Annotated[
        str, typer.Argument(metavar="[RUN or BATCH]", help="Run, or batch that has no run yet.")
    ] = "latest",
    timeout: Annotated[
        str, typer.Option(metavar="DURATION", help="Exit with 4 after this time, such as 30m.")
    ] = "10h",
    stack: StackOption = "",
    profile: ProfileOption = "",
    region: RegionOption = "",
    cloud: CloudOption = "",
    as_json: JsonOption = False,
) -> None:
    """Follow a run until it ends. Before it starts, say which files of its batch are missing.

    The exit code is 3 if the run ends without results, and 4 after the time-out. Ctrl-C ends only
    this command; the run goes on.
    """
    from cli.operations.runs import ListedRun, describe_run
    from cli.operations.watch import Watch, show_end
    from cli.runs.publications import read_publications
    from cli.target.polling import parse_duration
    from cli.target.target import open_target

    seconds = parse_duration(timeout)
    target = open_target(stack, profile, region, cloud)
    follower = Watch(target, error_console if as_json else console, seconds)
    try:
        ended = follower.follow(follower.find(run))
    except KeyboardInterrupt:
        print_message(f"interrupted; a run goes on: ./run watch {run} {target.options}")
        raise
    if as_json:
        published = read_publications(target).published
        report = follower.reader.read_report(ended.run_id)
        listed = ListedRun(ended, ended.run_id == published, report, None)
        print_json("watch", {"run": describe_run(listed, datetime.now(UTC))})
    show_end(ended, follower.console, target)


def check(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder with the four CSV files.")],
    rows: Annotated[
        bool, typer.Option("--rows", help="Also apply all rules for rows, with Spark.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Say what the upload check would say about each file. Nothing is uploaded.

    The exit code is 2 if a file would be rejected, or if a run of these files would fail.
    """
    import json

    from cli.operations.check import (
        build_document,
        check_files,
        check_rows,
        has_problems,
        show_files,
    )

    results = check_files(folder)
    if not as_json:
        show_files(results, console)
    report = check_rows(folder) if rows and not has_problems(results) else None
    if as_json:
        print_json("check", build_document(results, report))
    elif report:
        from cli.summary import show_counts

        show_counts(json.loads(report.to_json()), console)
    if has_problems(results) or (report and report.problem):
        sys.exit(EXIT_INVALID_INPUT)
