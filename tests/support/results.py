"""Reading what a run wrote, with an engine other than the one that wrote it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb

Row = dict[str, Any]

REAL_DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "rentals"


def read_table(folder: Path) -> list[Row]:
    """All rows of a folder of Parquet files, times as naive UTC, sorted so that lists compare."""
    with duckdb.connect() as database:
        database.execute("SET TimeZone = 'UTC'")
        table = database.read_parquet(str(folder / "*.parquet"), hive_partitioning=False)
        columns = ", ".join(
            f'"{name}"::TIMESTAMP AS "{name}"' if "TIME ZONE" in str(kind) else f'"{name}"'
            for name, kind in zip(table.columns, table.types, strict=True)
        )
        rows = table.select(columns).fetchall() if columns else []
        return by_content(dict(zip(table.columns, row, strict=True)) for row in rows)


def column_types(folder: Path) -> dict[str, str]:
    """Each column's name and type, in the words of Spark, Glue and Athena."""
    words = {
        "VARCHAR": "string",
        "INTEGER": "int",
        "TIMESTAMP WITH TIME ZONE": "timestamp",
        "VARCHAR[]": "array<string>",
    }
    with duckdb.connect() as database:
        table = database.read_parquet(str(folder / "*.parquet"), hive_partitioning=False)
        types = [words.get(str(kind), str(kind).lower()) for kind in table.types]
        return dict(zip(table.columns, types, strict=True))


def by_content(rows: Any) -> list[Row]:
    """The rows in an order of their own."""
    return sorted(rows, key=repr)


def read_report(output: Path, job: str, run_id: str) -> dict[str, Any]:
    """A job's report without the run's id, which is checked."""
    report: dict[str, Any] = json.loads((output / "runs" / run_id / f"{job}.json").read_text())
    assert report.pop("run_id") == run_id
    return report


def contents(folder: Path, *, without: str = "\0") -> dict[str, bytes]:
    """The bytes of every file below the folder whose path does not hold `without`."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and without not in path.relative_to(folder).as_posix()
    }
