"""The commands of the Spark jobs: `jobs`, `sample`, and `package`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from cli import summary
from cli.console import console, print_message
from contract.exit_codes import EXIT_INTERNAL_ERROR, EXIT_INVALID_INPUT, EXIT_OK
from contract.text import escape_control_characters
from local.errors import UserError
from local.report import StepRecorder, write_report
from local.spark.class_archive import ClassArchive
from local.spark.java import find_java_home
from local.spark.job_runner import JobsRequest, JobsResult, check_request, run_jobs
from pipeline.release.spark_package import ENTRY_POINTS, write_spark_package
from sample_data import write_sample

_PANEL = "Spark jobs"


def register(app: typer.Typer) -> None:
    """Add the commands of this module to the command line."""
    for command in (jobs, sample, package):
        app.command(rich_help_panel=_PANEL)(command)


def jobs(
    input_folder: Annotated[
        Path, typer.Argument(metavar="INPUT_DIR", help="Folder with the four CSV files.")
    ],
    output_folder: Annotated[
        Path,
        typer.Argument(
            metavar="OUTPUT_DIR", help="Folder to write to. Each run gets its own subfolders."
        ),
    ],
    run_id: Annotated[
        str, typer.Option(metavar="ID", help="Run ID. Default: the current UTC time.")
    ] = "",
    memory: Annotated[
        str, typer.Option(metavar="SIZE", help="Memory of Spark, such as 2g or 512m.")
    ] = "2g",
    personal_data: Annotated[
        bool, typer.Option(help="Include names and email addresses in user_metrics.")
    ] = False,
) -> None:
    """Run both Spark jobs on local files and show the KPIs."""
    run_id = run_id or datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    request = JobsRequest(input_folder, output_folder, run_id, memory, personal_data)
    for warning in check_request(request):
        print_message(f"warning: {warning}")
    steps = StepRecorder()
    with ClassArchive(find_java_home()).record() as recording:
        result = _run_with_progress(request, steps, recording.jvm_options if recording else [])
        _exit_on_failure(request, result)
        page = write_report(input_folder, output_folder, run_id, steps.started_at, steps.finish())
        summary.show_summary(output_folder, run_id, console)
        console.print(f"\nRun {run_id} is complete.")
        for title, path in (
            ("Report", page),
            ("Output", output_folder),
            ("Log", request.log_file),
        ):
            console.print(f"  {title + ':':7} {path}", soft_wrap=True)
        if recording:
            print_message("preparing Spark to start faster (once; takes some seconds)")
            recording.create_archive()


def sample(
    output_folder: Annotated[
        Path, typer.Argument(metavar="OUTPUT_DIR", help="Folder to write the files to.")
    ],
    rentals: Annotated[int, typer.Option(min=1, help="Number of rentals.")],
    error_rate: Annotated[
        float, typer.Option(min=0, max=1, help="Share of corrupted rows, from 0 to 1.")
    ] = 0.0,
    seed: Annotated[int, typer.Option(help="Random seed.")] = 0,
) -> None:
    """Generate sample data: four CSV files of any size."""
    write_sample(output_folder, rentals, error_rate, seed)
    console.print(
        f"Generated {rentals:,} rentals with users, vehicles, and locations in {output_folder}",
        soft_wrap=True,
    )


def package(
    target: Annotated[Path, typer.Argument(metavar="FILE", help="ZIP file to write.")],
) -> None:
    """Build the ZIP file with the modules of the Spark jobs."""
    write_spark_package(target)


def _run_with_progress(
    request: JobsRequest, steps: StepRecorder, jvm_options: Sequence[str] = ()
) -> JobsResult:
    """Run both jobs, and show and record their progress: bars on a terminal, otherwise lines."""
    with Progress(
        TextColumn("{task.fields[job]:20}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}", markup=False),
        console=console,
        disable=not console.is_terminal,
    ) as progress:
        bars = {
            job: progress.add_task("waiting", job=job, total=None, start=False)
            for job in ENTRY_POINTS
        }

        def complete_others(job: str) -> None:
            for other, bar in bars.items():
                if other != job and progress.tasks[bar].completed:
                    total = progress.tasks[bar].total
                    progress.update(bar, completed=total, description="done")
                    progress.stop_task(bar)

        def on_progress(job: str, phase: int, phase_count: int, description: str) -> None:
            description = escape_control_characters(description)
            steps.start(description)
            complete_others(job)
            progress.start_task(bars[job])
            progress.update(
                bars[job], completed=phase - 1, total=phase_count, description=description
            )
            if progress.disable:
                console.print(f"{job} [{phase}/{phase_count}] {description}")

        result = run_jobs(request, on_progress, jvm_options)
        if result.exit_code == EXIT_OK:
            for bar in bars.values():
                total = progress.tasks[bar].total
                progress.update(bar, completed=total, description="done")
    return result


def _exit_on_failure(request: JobsRequest, result: JobsResult) -> None:
    if result.exit_code == EXIT_OK:
        return
    if result.exit_code == EXIT_INVALID_INPUT:
        raise UserError(result.last_message)
    print_message(f"the jobs failed with exit code {result.exit_code}: {result.last_message}")
    print_message(f"complete log: {request.log_file}")
    sys.exit(EXIT_INTERNAL_ERROR)
