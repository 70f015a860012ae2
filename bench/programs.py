"""Run a Spark program and measure how long it takes."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from contract.datasets import LOCATIONS, USERS, VEHICLES, Dataset
from local.spark.job_runner import (
    BOTH_JOBS_PROGRAM,
    JobsRequest,
    spark_environment,
    spark_submit_command,
)
from pipeline.release.spark_package import SOURCE_FOLDER

# A marketplace's numbers of rentals per user, vehicle, and location.
_RENTALS_PER_ROW = {USERS: 20, VEHICLES: 100, LOCATIONS: 2_000}


class ProgramRun(NamedTuple):
    """How a program ran.

    Attributes:
        seconds: How long it took.
        output: What it printed.
    """

    seconds: float
    output: str


def run_program(command: Sequence[str]) -> ProgramRun:
    """Run a command.

    Raises:
        subprocess.CalledProcessError: It failed.
    """
    start = time.perf_counter()
    process = subprocess.run(
        command,
        env=spark_environment() | {"PYTHONPATH": str(SOURCE_FOLDER)},
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return ProgramRun(time.perf_counter() - start, process.stdout)


def job_command(program: Path, request: JobsRequest) -> list[str]:
    """Return the command that runs a job, or both jobs, as `./run jobs` does."""
    return [
        *spark_submit_command(request.memory, request.input_bytes),
        str(program),
        *request.arguments,
    ]


def run_both_jobs(source: Path, target: Path, run_id: str, memory: str) -> ProgramRun:
    """Run both jobs on the files in a folder, as `./run jobs` does.

    Raises:
        subprocess.CalledProcessError: The jobs failed.
    """
    return run_program(job_command(BOTH_JOBS_PROGRAM, JobsRequest(source, target, run_id, memory)))


def count_rows(rentals: int) -> dict[Dataset, int]:
    """Return the number of rows of the other datasets of a marketplace with so many rentals."""
    return {dataset: max(rentals // share, 10) for dataset, share in _RENTALS_PER_ROW.items()}
