"""Measure the run time of each job as a ratio to a plain copy of the same files.

The jobs and the copy run in turn, so that a change in the load of the machine affects all of them.
"""

from __future__ import annotations

import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from local.spark.job_runner import JobsRequest, spark_environment, spark_submit_command
from pipeline.release.spark_package import ENTRY_POINTS, write_spark_package
from sample_data import write_sample

_BASELINE = "plain copy"
_BASELINE_PROGRAM = Path(__file__).parent / "plain_copy.py"


def bench_jobs(rentals: int, rounds: int, console: Console) -> None:
    """Print the median run time of each job, and its median ratio to the plain copy.

    Args:
        rentals: Number of rentals in the input.
        rounds: Number of runs of each program.
        console: Where to print.
    """
    with tempfile.TemporaryDirectory(prefix="rental-kpi-bench-") as folder:
        root = Path(folder)
        write_sample(root / "in", rentals, error_rate=0.01)
        write_spark_package(root / "jobs.zip")
        programs = {_BASELINE: _BASELINE_PROGRAM, **ENTRY_POINTS}
        seconds: dict[str, list[float]] = {name: [] for name in programs}
        for number in range(1, rounds + 1):
            for name, program in programs.items():
                seconds[name].append(_measure(root, program, f"{number}-{program.stem}"))
                console.print(f"round {number}: {name} {seconds[name][-1]:.1f} s")
    table = Table("program", "seconds", f"ratio to {_BASELINE}", title=f"{rentals:,} rentals")
    for name, times in seconds.items():
        ratios = [time / base for time, base in zip(times, seconds[_BASELINE], strict=True)]
        table.add_row(name, f"{statistics.median(times):.1f}", f"{statistics.median(ratios):.2f}")
    console.print(table)


def _measure(root: Path, program: Path, run_id: str) -> float:
    """Run a program once and return its run time in seconds."""
    request = JobsRequest(root / "in", root / "out", run_id, "2g")
    command = spark_submit_command(root / "jobs.zip", request.memory, request.input_bytes)
    start = time.perf_counter()
    subprocess.run(
        [*command, str(program), *request.job_arguments(program.stem)],
        env=spark_environment(),
        check=True,
        capture_output=True,
    )
    return time.perf_counter() - start
