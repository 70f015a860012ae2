"""The mail about a run: its numbers, what became of its rows, and what readers see.

Read on a phone: narrow tables, the most important first. It holds nothing private: users are ids,
and no field of a rejected row is repeated. Every list in it has an end, so it stays far below the
256 KB that SNS takes.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from decimal import Decimal

from contract.layout import RAW_PREFIX, quarantine_pattern, run_report_key
from contract.reports import TransformationReport
from pipeline.aws.athena import QueryResult
from pipeline.ledger.batch import Run
from pipeline.notifications.emails import Email
from pipeline.notifications.text_table import TableColumn, text_table
from pipeline.publication.questions import QUESTIONS, TOTALS

_LONGEST_TABLE = 20
_LONGEST_WARNING = 300


def report_email(
    run: Run,
    report: TransformationReport,
    answers: Mapping[str, QueryResult],
    shown_instead: str | None,
    bucket: str,
) -> Email:
    """The mail of a run; `answers` by the questions' names.

    `shown_instead` is the run that has the pointer if it is not this one.
    """
    rentals = report.datasets["rentals"].accepted
    name = run.batch.removeprefix(RAW_PREFIX).strip("/")
    title = " ".join(word for word in ("Rental KPIs", name) if word)
    state = " (not shown)" if shown_instead else ""
    sections = [
        f"Batch {run.batch}\nRun {run.run_id}\n\n{_what_readers_see(shown_instead)}",
        *_answer_sections(answers),
        *_row_sections(report),
        *_file_warnings(run),
        f"This report and its numbers: s3://{bucket}/{run_report_key(run.run_id, '')}",
        f"Rejected rows: s3://{bucket}/{quarantine_pattern(run.run_id)}/",
    ]
    return Email(
        f"{title}{state}: {report.revenue:,} from {rentals:,} rentals",
        "\n\n".join(sections) + "\n",
    )


def _what_readers_see(shown_instead: str | None) -> str:
    if shown_instead is None:
        return "Readers see this run now."
    return (
        f"Readers do not see this run: the files of {shown_instead} were complete later.\n"
        "This one is kept as history."
    )


def _answer_sections(answers: Mapping[str, QueryResult]) -> Iterator[str]:
    totals = answers[TOTALS.name]
    upright = [
        (_words(column.name), _text(value, column.is_number))
        for row in totals.rows
        for column, value in zip(totals.columns, row, strict=True)
    ]
    yield text_table([TableColumn(""), TableColumn("", is_number=True)], upright)
    for question in QUESTIONS:
        if question is not TOTALS:
            table = _answer_table(answers[question.name], question.email_columns)
            yield f"{question.title}\n\n{table}"


def _answer_table(answer: QueryResult, kept: tuple[str, ...]) -> str:
    types = {column.name: column.is_number for column in answer.columns}
    rows = [[_text(record[name], types[name]) for name in kept] for record in answer.records]
    return _cut_table([TableColumn(_words(name), types[name]) for name in kept], rows)


def _row_sections(report: TransformationReport) -> Iterator[str]:
    columns = [TableColumn("dataset")]
    columns += [TableColumn(name, is_number=True) for name in ("read", "accepted", "rejected")]
    rows = [
        [name, f"{counts.read:,}", f"{counts.accepted:,}", f"{counts.rejected:,}"]
        for name, counts in report.datasets.items()
    ]
    yield f"Rows\n\n{text_table(columns, rows)}"
    for name, counts in report.datasets.items():
        if counts.rejected:
            yield f"Rejected {name}, by reason\n\n{_count_table(counts.reasons)}"
    if any(report.warnings.values()):
        yield f"Accepted with a warning\n\n{_count_table(report.warnings)}"


def _count_table(counts: Mapping[str, int]) -> str:
    found = sorted(((count, code) for code, count in counts.items() if count), reverse=True)
    rows = [[code, f"{count:,}"] for count, code in found]
    return _cut_table([TableColumn(""), TableColumn("", is_number=True)], rows)


def _cut_table(columns: list[TableColumn], rows: list[list[str]]) -> str:
    table = text_table(columns, rows[:_LONGEST_TABLE])
    more = len(rows) - _LONGEST_TABLE
    return f"{table}\nand {more:,} more" if more > 0 else table


def _file_warnings(run: Run) -> Iterator[str]:
    lines = [
        textwrap.shorten(f"{file.key}: {warning}", _LONGEST_WARNING, placeholder="...")
        for file in run.files
        for warning in file.warnings
    ]
    if lines:
        yield "About the files\n\n" + "\n".join(lines[:_LONGEST_TABLE])


def _words(column: str) -> str:
    return column.replace("_", " ")


def _text(value: str | None, is_number: bool) -> str:
    if value is None:
        return "-"
    return f"{Decimal(value):,}" if is_number else value
