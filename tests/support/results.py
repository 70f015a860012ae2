"""Read a run's output with DuckDB instead of the engine that wrote it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb

Row = dict[str, Any]

REAL_DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "rentals"


def read_table(folder: Path) -> list[Row]:
    """Return the rows of a folder of Parquet files, sorted, with timestamps as naive UTC."""
    with duckdb.connect() as database:
        database.execute("SET TimeZone = 'UTC'")
        table = database.read_parquet(str(folder / "*.parquet"), hive_partitioning=False)
        columns = ", ".join(
            f'"{name}"::TIMESTAMP AS "{name}"' if "TIME ZONE" in str(duckdb_type) else f'"{name}"'
            for name, duckdb_type in zip(table.columns, table.types, strict=True)
        )
        rows = table.select(columns).fetchall() if columns else []
        return sort_rows(dict(zip(table.columns, row, strict=True)) for row in rows)


def column_types(folder: Path) -> dict[str, str]:
    """Return the SQL type of each column, spelled as Spark, Glue, and Athena expect."""
    sql_types = {
        "VARCHAR": "string",
        "INTEGER": "int",
        "TIMESTAMP WITH TIME ZONE": "timestamp",
        "VARCHAR[]": "array<string>",
    }
    with duckdb.connect() as database:
        table = database.read_parquet(str(folder / "*.parquet"), hive_partitioning=False)
        types = [
            sql_types.get(str(duckdb_type), str(duckdb_type).lower()) for duckdb_type in table.types
        ]
        return dict(zip(table.columns, types, strict=True))


def sort_rows(rows: Any) -> list[Row]:
    """Return the rows in an order that depends only on their content."""
    return sorted(rows, key=repr)


def read_report(output: Path, job: str, run_id: str) -> dict[str, Any]:
    """Return a job's report without its run ID, which is checked."""
    report: dict[str, Any] = json.loads((output / "runs" / run_id / f"{job}.json").read_text())
    assert report.pop("run_id") == run_id
    return report


def read_files(folder: Path, *, excluding: str = "\0") -> dict[str, bytes]:
    """Return the bytes of all files below the folder whose path does not contain `excluding`."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and excluding not in path.relative_to(folder).as_posix()
    }
