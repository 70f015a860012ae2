"""Show the results of a run on the console: the KPIs, the row counts, and the reject reasons."""

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
from rich.text import Text

from contract.kpi_tables import KPI_TABLES
from contract.layout import TRANSFORMATION_JOB, job_report_key, kpi_prefix
from contract.text import escape_control_characters
from pipeline.publication.questions import QUESTIONS, SQL_FOLDER

Answer = tuple[list[str], list[tuple[Any, ...]]]
"""The column names and the rows of an answer, with numbers as `int` or `Decimal`."""


def show_summary(output_folder: Path, run_id: str, console: Console) -> None:
    """Print the answers to all questions about a run in an output folder, and its row counts."""
    answers = {
        question.name: query_answer(output_folder, run_id, question.name) for question in QUESTIONS
    }
    show_answers(answers, console)
    report_file = output_folder / job_report_key(TRANSFORMATION_JOB, run_id)
    show_counts(json.loads(report_file.read_text("utf-8")), console)


def show_answers(answers: Mapping[str, Answer], console: Console) -> None:
    """Print the answer to each question as a table.

    Args:
        answers: The answers to all questions, by question name.
        console: Where to print.
    """
    for question in QUESTIONS:
        columns, rows = answers[question.name]
        if len(rows) == 1:  # a single row with many columns is easier to read as a column
            names = map(_format_column_name, columns)
            columns, rows = ["", "value"], list(zip(names, rows[0], strict=True))
        console.print(_build_table(question.title, columns, rows))


def show_counts(report: dict[str, Any], console: Console) -> None:
    """Print the row counts, reject reasons, and warnings of a run.

    Args:
        report: Content of the job report `transformation.json`.
        console: Where to print.
    """
    console.print(_build_row_count_table(report["datasets"]))
    _print_counts("Rejected rows by reason", _count_reject_codes(report["datasets"]), console)
    _print_counts("Accepted rows with warnings", report["warnings"], console)
    if "problem" in report:
        console.print(report["problem"], style="bold red")


def query_answer(output_folder: Path, run_id: str, question_name: str) -> Answer:
    """Return the answer to a question about a run in an output folder."""
    with duckdb.connect() as database:
        for table in KPI_TABLES:
            files = output_folder / kpi_prefix(table, run_id) / "*.parquet"
            database.read_parquet(str(files)).create_view(table.name)
        result = database.execute((SQL_FOLDER / f"{question_name}.sql").read_text("utf-8"))
        return [column[0] for column in result.description or []], result.fetchall()


def _build_table(title: str, columns: list[str], rows: list[tuple[Any, ...]]) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    for index, column in enumerate(columns):
        is_number = any(isinstance(row[index], (int, Decimal)) for row in rows)
        table.add_column(_format_column_name(column), justify="right" if is_number else "left")
    for row in rows:
        table.add_row(*(_format_value(value) for value in row))
    return table


def _format_column_name(name: str) -> str:
    return name.replace("_", " ")


def _format_value(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, (int, Decimal)):
        return f"{value:,}"
    return escape_control_characters(str(value))  # one line, as wide as the table expects


def _build_row_count_table(datasets: dict[str, Any]) -> Table:
    rows = [
        (name, counts["read"], counts["accepted"], counts["rejected"])
        for name, counts in datasets.items()
    ]
    return _build_table("Rows", ["dataset", "read", "accepted", "rejected"], rows)


def _count_reject_codes(datasets: dict[str, Any]) -> dict[str, int]:
    return {
        f"{name}: {code}": count
        for name, counts in datasets.items()
        for code, count in counts["reasons"].items()
    }


def _print_counts(title: str, counts: dict[str, int], console: Console) -> None:
    rows = [(code, count) for code, count in counts.items() if count]
    if rows:
        rows.sort(key=lambda row: -row[1])
        console.print(_build_table(title, ["code", "rows"], rows))
    else:
        console.print(Text.assemble((f"{title}:", "bold"), " none"))
