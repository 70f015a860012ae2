"""Each job's time as a ratio to a plain copy of the same files, run in turn with it."""

from __future__ import annotations

import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from local.spark.job_runner import JobsRequest, spark_environment, spark_submit
from pipeline.release.spark_package import ENTRY_POINTS, write_spark_package
from sample_data import write_sample

PLAIN_COPY = Path(__file__).parent / "plain_copy.py"


def bench_jobs(rentals: int, rounds: int, console: Console) -> None:
    """Print, for each job, the median seconds and the median of the ratios of each round."""
    with tempfile.TemporaryDirectory(prefix="rental-kpi-bench-") as folder:
        root = Path(folder)
        write_sample(root / "in", rentals, dirt=0.01)
        write_spark_package(root / "jobs.zip")
        programs = {"plain copy": PLAIN_COPY, **ENTRY_POINTS}
        seconds: dict[str, list[float]] = {name: [] for name in programs}
        for turn in range(rounds):
            for name, program in programs.items():
                seconds[name].append(_seconds(root, program, f"{turn}-{program.stem}"))
                console.print(f"round {turn + 1}: {name} {seconds[name][-1]:.1f} s")
    table = Table("program", "seconds", "ratio to plain copy", title=f"{rentals:,} rentals")
    for name, times in seconds.items():
        ratios = [a / b for a, b in zip(times, seconds["plain copy"], strict=True)]
        table.add_row(name, f"{statistics.median(times):.1f}", f"{statistics.median(ratios):.2f}")
    console.print(table)


def _seconds(root: Path, program: Path, run_id: str) -> float:
    request = JobsRequest(root / "in", root / "out", run_id, "2g")
    command = spark_submit(root / "jobs.zip", request.memory, request.input_bytes)
    start = time.perf_counter()
    subprocess.run(
        [*command, str(program), *request.arguments(program.stem)],
        env=spark_environment(),
        check=True,
        capture_output=True,
    )
    return time.perf_counter() - start
