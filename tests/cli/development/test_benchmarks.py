"""The input of the benchmarks, and what they read from the logs of the jobs."""

from __future__ import annotations

import csv
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from bench.inputs import CONTENTS
from bench.jobs import list_phases
from cli.development import commands
from contract.datasets import RENTALS

LOG = """26/11/25 20:40:55 WARN NativeCodeLoader: Unable to load native-hadoop library
2026-11-25 20:40:58,500 transformation_job: [1/9] users: reading and cleaning
2026-11-25 20:41:10,000 transformation_job: users.csv: unexpected column `remark` is ignored
2026-11-25 20:41:16,700 kpis: [1/6] reading and summarizing rentals
2026-11-25 20:41:59,000 jobs: the job of run r1 is complete
"""


def test_phases_have_the_seconds_since_the_first_one() -> None:
    assert list_phases(LOG) == [
        (0.0, "transformation_job", "users: reading and cleaning"),
        (18.2, "kpis", "reading and summarizing rentals"),
        (60.5, "jobs", "is complete"),
    ]


def test_inputs_have_the_named_contents(tmp_path: Path) -> None:
    clean, *others = (tmp_path / name for name in CONTENTS)
    rentals = {}
    for folder, write in zip([clean, *others], CONTENTS.values(), strict=True):
        write(folder, clean, 1_000)
        with (folder / RENTALS.file).open(newline="") as file:
            rentals[folder.name] = list(csv.DictReader(file))
    expected, errors, repeated, skewed = rentals.values()
    assert len(expected) == 1_000
    assert len(errors) != 1_000 or errors != expected
    counts = Counter(row["rental_id"] for row in repeated)
    assert sorted(counts.values()) == [1] * 700 + [2] * 300
    assert max(Counter(row["pickup_location"] for row in skewed).values()) >= 500
    assert max(Counter(row["user_id"] for row in skewed).values()) >= 200
    assert sum(Decimal(row["total_amount"]) for row in skewed) == sum(
        Decimal(row["total_amount"]) for row in expected
    )


def test_benchmark_without_a_name_measures_the_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[object, ...]] = []
    monkeypatch.setattr(commands, "bench_jobs", lambda *arguments: calls.append(arguments))
    app = typer.Typer()
    commands.register(app)
    result = CliRunner().invoke(app, ["bench"])
    assert result.exit_code == 0
    assert [call[:4] for call in calls] == [(5_000_000, 0.0, 3, "2g")]
