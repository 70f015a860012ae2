"""Measure the run time of the jobs as a ratio to baselines that do the same work unchecked.

All programs run in turn on the same files, so that a change in the load of the machine affects all
of them.
"""

from __future__ import annotations

import os
import re
import shutil
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.programs import count_rows, job_command, run_program
from local.spark.job_runner import BOTH_JOBS_PROGRAM, JobsRequest
from pipeline.release.spark_package import ENTRY_POINTS
from sample_data import write_sample

_FOLDER = Path(__file__).parent
_PLAIN_TRANSFORM, _PLAIN_KPIS, _PLAIN_PAIR = "plain transform", "plain kpis", "plain pair"
_DUCKDB = "DuckDB"
_BOTH = "both jobs"
_TRANSFORMATION, _KPIS, _CURATED = "transformation_job", "kpis", "kpis --curated"

_RATIOS = (
    (_BOTH, _PLAIN_PAIR),
    (_BOTH, _DUCKDB),
    (_TRANSFORMATION, _PLAIN_TRANSFORM),
    (_KPIS, _PLAIN_KPIS),
    (_CURATED, _PLAIN_KPIS),
)
_PHASE = re.compile(
    r"^(\S+ \S+) (\w+): (?:\[\d+/\d+\] (.*)|the job of run .* (is complete))$", re.M
)


@dataclass
class _Session:
    """The files of one session, and the measured seconds of each program."""

    source: Path
    target: Path
    memory: str
    seconds: dict[str, list[float]] = field(default_factory=dict)
    log: str = ""

    def run_round(self) -> None:
        """Run each program once."""
        shutil.rmtree(self.target, ignore_errors=True)
        plain, tables = self._plain_command(), self.target / "plain"
        self._run(_PLAIN_TRANSFORM, [*plain, "transform", str(self.source), str(tables)])
        self._run(_PLAIN_KPIS, [*plain, "kpis", str(tables), str(self.target / "plain_kpis")])
        duckdb = [sys.executable, str(_FOLDER / "duckdb_jobs.py")]
        self._run(_DUCKDB, [*duckdb, str(self.source), str(self.target / "duckdb")])
        self.log = self._run(_BOTH, self._job_command(BOTH_JOBS_PROGRAM, "both"))
        for name, program in ENTRY_POINTS.items():
            self._run(name, self._job_command(program, "single"))
        self._run(_CURATED, [*self._job_command(ENTRY_POINTS[_KPIS], "single"), "--curated"])
        pair = zip(self.seconds[_PLAIN_TRANSFORM], self.seconds[_PLAIN_KPIS], strict=True)
        self.seconds[_PLAIN_PAIR] = [sum(times) for times in pair]

    def _run(self, name: str, command: Sequence[str]) -> str:
        """Run a command once, record how long it takes, and return what it printed."""
        seconds, output = run_program(command)
        self.seconds.setdefault(name, []).append(seconds)
        return output

    def _job_command(self, program: Path, run_id: str) -> list[str]:
        request = JobsRequest(self.source, self.target / "out", run_id, self.memory)
        return job_command(program, request)

    def _plain_command(self) -> list[str]:
        """Return the command that runs the baseline with Spark's defaults, but our memory."""
        spark_submit = str(Path(sys.executable).parent / "spark-submit")
        options = ["--master", "local[*]", "--driver-memory", self.memory]
        return [spark_submit, *options, str(_FOLDER / "plain_jobs.py")]


def bench_jobs(rentals: int, error_rate: float, rounds: int, memory: str, console: Console) -> None:
    """Print the run time of each program, the ratios, and where both jobs spend their time.

    Args:
        rentals: Number of rentals in the input.
        error_rate: Share of corrupted rows in each file.
        rounds: Number of runs of each program.
        memory: Memory of Spark, in Spark notation.
        console: Where to print.
    """
    with tempfile.TemporaryDirectory(prefix="rental-kpi-bench-") as folder:
        session = _Session(Path(folder) / "in", Path(folder) / "out", memory)
        write_sample(session.source, rentals, error_rate, counts=count_rows(rentals))
        for number in range(1, rounds + 1):
            console.print(f"round {number} of {rounds}")
            session.run_round()
    _print_seconds(session.seconds, rentals, error_rate, console)
    _print_ratios(session.seconds, console)
    _print_phases(session.log, console)


def _print_seconds(
    seconds: dict[str, list[float]], rentals: int, error_rate: float, console: Console
) -> None:
    title = f"{rentals:,} rentals, {error_rate:.0%} corrupted rows, {os.cpu_count()} processors"
    table = Table("program", "median seconds", "all", title=title)
    for name, times in seconds.items():
        table.add_row(name, f"{statistics.median(times):.1f}", " ".join(f"{t:.1f}" for t in times))
    console.print(table)


def _print_ratios(seconds: dict[str, list[float]], console: Console) -> None:
    table = Table("program", "baseline", "median ratio")
    for program, baseline in _RATIOS:
        pairs = zip(seconds[program], seconds[baseline], strict=True)
        ratio = statistics.median(own / base for own, base in pairs)
        table.add_row(program, baseline, f"{ratio:.2f}")
    console.print(table)


def _print_phases(log: str, console: Console) -> None:
    """Print how long after the first message of the last run each phase began."""
    table = Table("seconds", "job", "phase", title="Where both jobs spend their time (last round)")
    for elapsed, job, phase in list_phases(log):
        table.add_row(f"{elapsed:.1f}", job, phase)
    console.print(table)


def list_phases(log: str) -> list[tuple[float, str, str]]:
    """Return the phases in the log of a job.

    Returns:
        For each phase, the seconds since the first phase began, the job, and the description.
    """
    phases = [
        (datetime.fromisoformat(match[1].replace(",", ".")), match[2], match[3] or match[4])
        for match in _PHASE.finditer(log)
    ]
    return [((begin - phases[0][0]).total_seconds(), job, text) for begin, job, text in phases]
