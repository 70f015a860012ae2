"""The commands for developers: tests, benchmarks, lock files, and generated documentation."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from bench.cold_import import bench_cold_import
from bench.inputs import bench_contents, bench_sizes
from bench.jobs import bench_jobs
from bench.receive_upload import bench_receive_upload
from cli.console import console
from cli.development import checks
from cli.development.architecture import write_diagrams
from cli.development.data_dictionary import write_data_dictionary
from cli.development.demo_image import write_demo_image
from cli.development.lock import write_lock_files

_PANEL = "Development"
_SIZES = (1_000_000, 5_000_000, 20_000_000)
_Memory = Annotated[str, typer.Option(metavar="SIZE", help="Memory of Spark.")]

_bench_app = typer.Typer(
    invoke_without_command=True,
    help="Measure performance relative to a baseline on this machine. Default: the jobs.",
)


def register(app: typer.Typer) -> None:
    """Add the commands of this module to the command line."""
    app.command("test", context_settings={"ignore_unknown_options": True}, rich_help_panel=_PANEL)(
        run_tests
    )
    app.command(rich_help_panel=_PANEL)(lock)
    app.command(rich_help_panel=_PANEL)(dictionary)
    app.command(rich_help_panel=_PANEL)(diagrams)
    app.command(rich_help_panel=_PANEL)(demo_image)
    app.add_typer(_bench_app, name="bench", rich_help_panel=_PANEL)


def run_tests(
    suite: Annotated[
        str,
        typer.Argument(
            metavar="SUITE",
            help=f"One of {', '.join(checks.SUITES)}. Default: all suites except"
            f" {' and '.join(checks.SEPARATE_SUITES)}.",
        ),
    ] = "",
    pytest_arguments: Annotated[
        list[str] | None,
        typer.Argument(metavar="PYTEST_ARGS", help="Extra pytest arguments."),
    ] = None,
) -> None:
    """Run the linters and the default test suites, or a single suite."""
    sys.exit(checks.run_checks(suite, pytest_arguments or []))


@_bench_app.callback()
def bench(context: typer.Context) -> None:
    """Measure the Spark jobs if no other benchmark is chosen."""
    if context.invoked_subcommand is None:
        bench_spark_jobs()


@_bench_app.command("jobs")
def bench_spark_jobs(
    rentals: Annotated[
        int, typer.Option(min=1, help="Number of rentals in the input.")
    ] = 5_000_000,
    error_rate: Annotated[
        float, typer.Option(min=0, max=1, help="Share of corrupted rows, from 0 to 1.")
    ] = 0.0,
    rounds: Annotated[int, typer.Option(min=1, help="Number of runs of each program.")] = 3,
    memory: _Memory = "2g",
) -> None:
    """Measure the Spark jobs relative to jobs without checks, and to DuckDB."""
    bench_jobs(rentals, error_rate, rounds, memory, console)


@_bench_app.command("contents")
def bench_input_contents(
    rentals: Annotated[
        int, typer.Option(min=1, help="Number of rentals in the clean input.")
    ] = 5_000_000,
    rounds: Annotated[int, typer.Option(min=1, help="Number of runs on each input.")] = 1,
    memory: _Memory = "2g",
) -> None:
    """Measure both jobs on input with errors, duplicates, and skew, relative to clean input."""
    bench_contents(rentals, rounds, memory, console)


@_bench_app.command("sizes")
def bench_input_sizes(
    rentals: Annotated[
        list[int] | None,
        typer.Argument(help="Numbers of rentals. Default: 1, 5, and 20 million."),
    ] = None,
    memory: _Memory = "2g",
) -> None:
    """Measure how the run time of both jobs grows with the size of the input."""
    bench_sizes(rentals or _SIZES, memory, console)


@_bench_app.command("cold-import")
def bench_lambda_imports(
    rounds: Annotated[int, typer.Option(min=1, help="Number of imports of each module.")] = 5,
) -> None:
    """Measure the cold import of each Lambda function relative to boto3, and the package size."""
    bench_cold_import(rounds, console)


@_bench_app.command("receive-upload")
def bench_upload_function(
    rounds: Annotated[int, typer.Option(min=1, help="Number of new processes.")] = 9,
) -> None:
    """Measure the cold import, the invocations, and the reads of `receive_upload`."""
    bench_receive_upload(rounds, console)


def lock(
    upgrade: Annotated[
        bool, typer.Option(help="Upgrade all packages to the latest allowed versions.")
    ] = False,
) -> None:
    """Update the lock files from requirements/*.in."""
    write_lock_files(upgrade)


def dictionary() -> None:
    """Regenerate docs/data-dictionary.md from the contract."""
    write_data_dictionary()


def diagrams() -> None:
    """Regenerate the diagrams and tables in docs/ from the sources."""
    write_diagrams()


def demo_image() -> None:
    """Run the demo and regenerate docs/images/demo.svg from its output."""
    write_demo_image()
