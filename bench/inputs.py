"""Measure how the run time of both jobs depends on the size and the content of their input."""

from __future__ import annotations

import shutil
import statistics
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.programs import count_rows, run_both_jobs
from contract.datasets import DATASETS, RENTALS
from sample_data import write_sample

_ERROR_RATE = 0.01
_CLEAN = "without errors"
_REPEATED_PERCENT = 30
# A repeated row follows after this many others, so that it is in another part of a large file.
_DISTANCE = 100_000

Write = Callable[[Path, Path, int], None]
"""Writes an input folder, given the folder of the clean input and the number of rentals."""


def bench_contents(rentals: int, rounds: int, memory: str, console: Console) -> None:
    """Print the run time for input with errors, duplicates, and skew relative to clean input.

    Args:
        rentals: Number of rentals in the clean input.
        rounds: Number of runs on each input.
        memory: Memory of Spark, in Spark notation.
        console: Where to print.
    """
    seconds: dict[str, list[float]] = {name: [] for name in CONTENTS}
    with tempfile.TemporaryDirectory(prefix="rental-kpi-bench-") as name:
        folder = Path(name)
        for content, write in CONTENTS.items():
            write(folder / content, folder / _CLEAN, rentals)
        for number in range(1, rounds + 1):
            console.print(f"round {number} of {rounds}")
            for content, times in seconds.items():
                times.append(_measure(folder / content, folder / "out", memory))
    table = Table("input", "median seconds", "ratio", title=f"Both jobs, {rentals:,} rentals")
    for content, times in seconds.items():
        ratios = [time / base for time, base in zip(times, seconds[_CLEAN], strict=True)]
        table.add_row(
            content, f"{statistics.median(times):.1f}", f"{statistics.median(ratios):.2f}"
        )
    console.print(table)


def bench_sizes(sizes: Sequence[int], memory: str, console: Console) -> None:
    """Print the run time for inputs of several sizes.

    Args:
        sizes: Numbers of rentals.
        memory: Memory of Spark, in Spark notation.
        console: Where to print.
    """
    table = Table("rentals", "MB", "seconds", "seconds per million", title="Both jobs")
    for rentals in sizes:
        with tempfile.TemporaryDirectory(prefix="rental-kpi-bench-") as name:
            source = Path(name) / "in"
            write_sample(source, rentals, counts=count_rows(rentals))
            megabytes = sum(file.stat().st_size for file in source.iterdir()) / 1e6
            seconds = _measure(source, Path(name) / "out", memory)
        per_million = seconds / rentals * 1e6
        table.add_row(f"{rentals:,}", f"{megabytes:,.0f}", f"{seconds:.1f}", f"{per_million:.1f}")
    console.print(table)


def _measure(source: Path, target: Path, memory: str) -> float:
    shutil.rmtree(target, ignore_errors=True)
    return run_both_jobs(source, target, "bench", memory).seconds


def _write_clean(folder: Path, _: Path, rentals: int) -> None:
    write_sample(folder, rentals, counts=count_rows(rentals))


def _write_errors(folder: Path, _: Path, rentals: int) -> None:
    write_sample(folder, rentals, _ERROR_RATE, counts=count_rows(rentals))


def _write_duplicates(folder: Path, clean: Path, _: int) -> None:
    _change_rentals(folder, clean, _repeat_rows)


def _write_skew(folder: Path, clean: Path, _: int) -> None:
    _change_rentals(folder, clean, _concentrate_rows)


CONTENTS: dict[str, Write] = {
    _CLEAN: _write_clean,
    f"{_ERROR_RATE:.0%} corrupted rows in each file": _write_errors,
    f"{_REPEATED_PERCENT}% of the rentals repeated": _write_duplicates,
    "half of the rentals at one location, a fifth of one user": _write_skew,
}
"""How to write each input. The first one is clean, and others derive from its files."""
"""The inputs to compare. The first one is clean; others may derive from its files."""


def _change_rentals(
    folder: Path, clean: Path, change: Callable[[Iterator[str]], Iterator[str]]
) -> None:
    """Copy the clean input and replace the rows of the rentals."""
    folder.mkdir()
    for dataset in DATASETS:
        if dataset is not RENTALS:
            shutil.copy(clean / dataset.file, folder)
    with (clean / RENTALS.file).open() as source, (folder / RENTALS.file).open("w") as target:
        target.write(next(source))
        target.writelines(change(source))


def _repeat_rows(rows: Iterator[str]) -> Iterator[str]:
    waiting: list[str] = []
    for number, row in enumerate(rows):
        yield row
        if number % 100 < _REPEATED_PERCENT:
            waiting.append(row)
        if len(waiting) == _DISTANCE:
            yield from waiting
            waiting.clear()
    yield from waiting


def _concentrate_rows(rows: Iterator[str]) -> Iterator[str]:
    user = RENTALS.column_names.index("user_id")
    location = RENTALS.column_names.index("pickup_location")
    first: list[str] = []
    for number, row in enumerate(rows):
        fields = row.split(",")
        first = first or fields
        if number % 5 == 0:
            fields[user] = first[user]
        if number % 2 == 0:
            fields[location] = first[location]
        yield ",".join(fields)
