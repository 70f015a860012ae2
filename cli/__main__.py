"""`./run`: the commands."""

from __future__ import annotations

import signal
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bench.cold_import import bench_cold_import
from bench.jobs import bench_jobs
from cli import deployment, summary
from cli.cloud import commands
from cli.development import checks
from cli.development.data_dictionary import write_data_dictionary
from cli.development.lock import lock as write_lock_files
from local.errors import UserError
from local.spark.java import NoJavaError
from local.spark.job_runner import JobsRequest, check_request, run_jobs
from pipeline.release.spark_package import ENTRY_POINTS, write_spark_package
from sample_data import write_sample

app = typer.Typer(
    help="The rental marketplace's KPI pipeline.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
commands.register(app)
console = Console()

EXIT_INPUT = 2  # something for the user to mend; the jobs use the same code


@app.command()
def jobs(
    source: Annotated[Path, typer.Argument(metavar="INPUT", help="Folder of the four CSV files.")],
    output: Annotated[
        Path, typer.Argument(metavar="OUTPUT", help="Folder to write below; runs add up in it.")
    ],
    run_id: Annotated[str, typer.Option(help="Default: the time, in UTC.")] = "",
    memory: Annotated[str, typer.Option(help="Memory of each job, as Spark writes it.")] = "2g",
    personal_data: Annotated[bool, typer.Option(help="Names and emails in user_metrics.")] = False,
) -> None:
    """Run both Spark jobs side by side on plain folders, and show the KPIs."""
    run_id = run_id or datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    request = JobsRequest(source, output, run_id, memory, personal_data)
    for warning in check_request(request):
        typer.echo(f"run: {warning}", err=True)
    with Progress(
        TextColumn("{task.fields[job]:20}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}"),
        console=console,
        disable=not console.is_terminal,
    ) as progress:
        bars = {
            job: progress.add_task("starting Spark", job=job, total=None) for job in ENTRY_POINTS
        }

        def on_step(job: str, step: int, steps: int, text: str) -> None:
            progress.update(bars[job], completed=step - 1, total=steps, description=text)
            if progress.disable:
                console.print(f"{job} [{step}/{steps}] {text}", markup=False)

        ends = run_jobs(request, on_step)
        for job, (code, _) in ends.items():
            task = progress.tasks[bars[job]]
            if code == 0:
                progress.update(bars[job], completed=task.total, description="done")
            else:
                progress.update(bars[job], description=f"failed with exit code {code}")
    _stop_if_failed(request, ends)
    summary.show_summary(output, run_id, console)
    console.print(f"\nRun {run_id} is in {output}; logs in {output / 'logs' / run_id}")


@app.command()
def sample(
    output: Annotated[Path, typer.Argument(metavar="OUT", help="Folder to write the files to.")],
    rentals: Annotated[int, typer.Option(min=1, help="How many rentals.")],
    dirt: Annotated[float, typer.Option(min=0, max=1, help="Share of spoiled rows.")] = 0.0,
    seed: Annotated[int, typer.Option(help="Another seed, other data.")] = 0,
) -> None:
    """Make four CSV files of the real shape, at any size."""
    write_sample(output, rentals, dirt, seed)
    console.print(f"{rentals:,} rentals and what belongs to them are in {output}")


@app.command()
def package(
    target: Annotated[Path, typer.Argument(help="The zip to write.")],
) -> None:
    """Build the zip with the Spark jobs' modules."""
    write_spark_package(target)


@app.command(context_settings={"ignore_unknown_options": True})
def deploy(
    more: Annotated[list[str] | None, typer.Argument(help="Further words for sam deploy.")] = None,
) -> None:
    """Build and deploy the stack; `--guided` asks for what is needed."""
    sys.exit(deployment.deploy(more or []))


@app.command("test", context_settings={"ignore_unknown_options": True})
def run_tests(
    part: Annotated[
        str, typer.Argument(help=f"One of: {', '.join(checks.PARTS)}. Default: all but spark4.")
    ] = "",
    more: Annotated[list[str] | None, typer.Argument(help="Further words for pytest.")] = None,
) -> None:
    """Run the linters and the tests, or a part of them."""
    sys.exit(checks.run_checks(part, more or []))


bench_app = typer.Typer(no_args_is_help=True, help="Speed, as a ratio to something beside it.")
app.add_typer(bench_app, name="bench")


@bench_app.command("jobs")
def bench_spark_jobs(
    rentals: Annotated[int, typer.Option(min=1, help="Rentals in the input.")] = 200_000,
    rounds: Annotated[int, typer.Option(min=1, help="How often each program runs.")] = 3,
) -> None:
    """Measure the jobs against a plain copy of the same files."""
    bench_jobs(rentals, rounds, console)


@bench_app.command("cold-import")
def bench_lambda_imports(
    rounds: Annotated[int, typer.Option(min=1, help="How often each is imported.")] = 5,
) -> None:
    """Measure each function's cold import against a bare boto3, and the package's size."""
    bench_cold_import(rounds, console)


@app.command()
def lock(
    upgrade: Annotated[bool, typer.Option(help="Take the newest versions.")] = False,
) -> None:
    """Write the lock files in requirements/ anew."""
    write_lock_files(upgrade)


@app.command()
def dictionary() -> None:
    """Write docs/data-dictionary.md anew from the contract."""
    write_data_dictionary()


def _stop_if_failed(request: JobsRequest, ends: dict[str, tuple[int, str]]) -> None:
    failed = {job: end for job, end in ends.items() if end[0] != 0}
    if not failed:
        return
    to_mend = dict.fromkeys(words for code, words in failed.values() if code == EXIT_INPUT)
    if to_mend:
        raise UserError("\n".join(to_mend))
    for job, (code, words) in failed.items():
        typer.echo(f"run: {job} failed, exit code {code}: {words}", err=True)
        typer.echo(f"run: all that it said is in {request.log(job)}", err=True)
    sys.exit(1)


def main() -> NoReturn:
    """Run a command; a user's mistake is one clear message and exit code 2."""
    # Being told to stop must end what the command started too, as Ctrl-C does.
    for stop in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(stop, lambda number, _: sys.exit(128 + number))
    try:
        app(prog_name="./run")
    except (UserError, NoJavaError) as error:
        for line in str(error).splitlines():
            typer.echo(f"run: {line}", err=True)
        sys.exit(EXIT_INPUT)
    sys.exit(0)


if __name__ == "__main__":
    main()
