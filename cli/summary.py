"""What a run found, for people: the KPI tables and the rejected rows, on a terminal."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
from rich import box
from rich.console import Console
from rich.table import Table

from contract.kpi_tables import KPI_TABLES
from contract.layout import TRANSFORMATION_JOB, job_report_key, kpi_prefix
from pipeline.publication.catalog import SQL_FOLDER

QUESTIONS = {
    "totals": "Totals",
    "best_locations": "Locations with the most revenue",
    "vehicle_types": "Vehicle types",
    "last_days": "Last days",
    "top_users": "Users who spent the most",
}
Answer = tuple[list[str], list[tuple[Any, ...]]]
"""The columns' names and the rows; numbers as `int` or `Decimal`."""


def show_summary(output: Path, run_id: str, console: Console) -> None:
    """Print the answers to the questions of `sql/` about a run, and what became of its rows."""
    show_answers({name: answer(output, run_id, name) for name in QUESTIONS}, console)
    counts = json.loads((output / job_report_key(TRANSFORMATION_JOB, run_id)).read_text("utf-8"))
    show_counts(counts, console)


def show_answers(answers: Mapping[str, Answer], console: Console) -> None:
    """Print what was found for each of the questions."""
    for name, title in QUESTIONS.items():
        columns, rows = answers[name]
        if len(rows) == 1:  # one row with many columns reads better upright
            columns, rows = ["", "value"], list(zip(map(_words, columns), rows[0], strict=True))
        console.print(_table(title, columns, rows))


def show_counts(counts: dict[str, Any], console: Console) -> None:
    """Print what `transformation.json` says of the rows."""
    console.print(_rows_table(counts["datasets"]))
    _print_counts("Rejected, by reason", _reasons(counts["datasets"]), console)
    _print_counts("Accepted with a warning", counts["warnings"], console)
    if "problem" in counts:
        console.print(f"[bold red]{counts['problem']}")


def answer(output: Path, run_id: str, question: str) -> Answer:
    """The column names and rows that a query of `sql/` gives over a run's KPI tables."""
    with duckdb.connect() as database:
        for table in KPI_TABLES:
            files = output / kpi_prefix(table, run_id) / "*.parquet"
            database.read_parquet(str(files)).create_view(table.name)
        result = database.execute((SQL_FOLDER / f"{question}.sql").read_text("utf-8"))
        return [column[0] for column in result.description or []], result.fetchall()


def _table(title: str, columns: list[str], rows: list[tuple[Any, ...]]) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    for place, column in enumerate(columns):
        is_number = any(isinstance(row[place], (int, Decimal)) for row in rows)
        table.add_column(_words(column), justify="right" if is_number else "left")
    for row in rows:
        table.add_row(*(_text(value) for value in row))
    return table


def _words(column: str) -> str:
    return column.replace("_", " ")


def _text(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, (int, Decimal)) else str(value)


def _rows_table(datasets: dict[str, Any]) -> Table:
    rows = [
        (name, counts["read"], counts["accepted"], counts["rejected"])
        for name, counts in datasets.items()
    ]
    return _table("Rows", ["dataset", "read", "accepted", "rejected"], rows)


def _reasons(datasets: dict[str, Any]) -> dict[str, int]:
    return {
        f"{name}: {code}": count
        for name, counts in datasets.items()
        for code, count in counts["reasons"].items()
    }


def _print_counts(title: str, counts: dict[str, int], console: Console) -> None:
    rows = sorted(((code, count) for code, count in counts.items() if count), key=lambda r: -r[1])
    if rows:
        console.print(_table(title, ["code", "rows"], rows))
    else:
        console.print(f"[bold]{title}:[/] none")
