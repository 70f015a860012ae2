"""The report email of a run: its totals, the answers to the questions, and its row counts.

It is read on phones, so tables are narrow and the most important ones come first. It contains no
personal data: users are IDs, and no value of a rejected row is quoted. All tables are limited, so
that the email stays far below the 256 KB that SNS accepts.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from decimal import Decimal

from contract.datasets import RENTALS
from contract.layout import RAW_PREFIX, quarantine_pattern, run_report_key
from contract.reports import TransformationReport
from contract.text import escape_control_characters
from pipeline.aws.athena import QueryResult
from pipeline.ledger.batch import Run
from pipeline.notifications.emails import Email
from pipeline.notifications.text_table import TableColumn, format_table
from pipeline.publication.questions import QUESTIONS, TOTALS

_MAX_TABLE_ROWS = 20
_MAX_WARNING_LENGTH = 300
_TEST_NOTE = (
    "This run only verifies the deployment, and its numbers are not real. Readers do not see this\n"
    "run, and ./run verify deletes its files."
)


def build_report_email(
    run: Run,
    report: TransformationReport,
    answers: Mapping[str, QueryResult],
    published_instead: str | None,
    bucket: str,
    *,
    is_test: bool = False,
) -> Email:
    """Return the report email of a run.

    Args:
        run: The run.
        report: What the transformation job counted.
        answers: The answers to all questions, by question name.
        published_instead: ID of the published run if it is not this one. Otherwise None.
        bucket: Name of the data bucket.
        is_test: Whether the run only verifies the deployment.
    """
    rentals = report.datasets[RENTALS.name].accepted
    batch = escape_control_characters(run.batch)
    batch_name = batch.removeprefix(RAW_PREFIX).strip("/")
    title = f"Rental KPIs {batch_name}".strip()
    status = " (superseded)" if published_instead else ""
    publication = _TEST_NOTE if is_test else _describe_publication(published_instead)
    sections = [
        f"Batch {batch}\nRun {run.run_id}\n\n{publication}",
        *_format_answers(answers),
        *_format_row_counts(report),
        *_format_file_warnings(run),
        f"Report files: s3://{bucket}/{run_report_key(run.run_id, '')}",
        f"Rejected rows: s3://{bucket}/{quarantine_pattern(run.run_id)}/",
    ]
    email = Email(
        f"{title}{status}: revenue {report.revenue:,} from {rentals:,} rentals",
        "\n\n".join(sections) + "\n",
    )
    return email.mark_as_test() if is_test else email


def _describe_publication(published_instead: str | None) -> str:
    if published_instead is None:
        return "Readers see this run now."
    return (
        "Readers do not see this run, because it was superseded by a run that was claimed later:\n"
        f"{published_instead}. The tables of this run are kept as history."
    )


def _format_answers(answers: Mapping[str, QueryResult]) -> Iterator[str]:
    totals = answers[TOTALS.name]
    rows = [
        [_format_column_name(column.name), _format_value(value, column.is_number)]
        for row in totals.rows
        for column, value in zip(totals.columns, row, strict=True)
    ]
    yield format_table([TableColumn(""), TableColumn("", is_number=True)], rows)
    for question in QUESTIONS:
        if question is not TOTALS:
            table = _format_answer(answers[question.name], question.email_columns)
            yield f"{question.title}\n\n{table}"


def _format_answer(answer: QueryResult, column_names: tuple[str, ...]) -> str:
    is_number = {column.name: column.is_number for column in answer.columns}
    columns = [TableColumn(_format_column_name(name), is_number[name]) for name in column_names]
    rows = [
        [_format_value(record[name], is_number[name]) for name in column_names]
        for record in answer.records
    ]
    return _format_limited_table(columns, rows)


def _format_row_counts(report: TransformationReport) -> Iterator[str]:
    columns = [TableColumn("dataset")]
    columns += [TableColumn(name, is_number=True) for name in ("read", "accepted", "rejected")]
    rows = [
        [name, f"{counts.read:,}", f"{counts.accepted:,}", f"{counts.rejected:,}"]
        for name, counts in report.datasets.items()
    ]
    yield f"Rows\n\n{format_table(columns, rows)}"
    for name, counts in report.datasets.items():
        if counts.rejected:
            yield f"Rejected rows by reason: {name}\n\n{_format_code_counts(counts.reasons)}"
    if any(report.warnings.values()):
        yield f"Accepted rows with warnings\n\n{_format_code_counts(report.warnings)}"


def _format_code_counts(counts: Mapping[str, int]) -> str:
    """Return a table of the codes that occurred, the most frequent ones first."""
    occurred = sorted(((count, code) for code, count in counts.items() if count), reverse=True)
    rows = [[code, f"{count:,}"] for count, code in occurred]
    return _format_limited_table([TableColumn(""), TableColumn("", is_number=True)], rows)


def _format_limited_table(columns: list[TableColumn], rows: list[list[str]]) -> str:
    table = format_table(columns, rows[:_MAX_TABLE_ROWS])
    omitted = len(rows) - _MAX_TABLE_ROWS
    return f"{table}\nand {omitted:,} more" if omitted > 0 else table


def _format_file_warnings(run: Run) -> Iterator[str]:
    lines = [
        textwrap.shorten(
            escape_control_characters(f"{file.key}: {warning}"),
            _MAX_WARNING_LENGTH,
            placeholder="...",
        )
        for file in run.files
        for warning in file.warnings
    ]
    if lines:
        yield "File warnings\n\n" + "\n".join(lines[:_MAX_TABLE_ROWS])


def _format_column_name(name: str) -> str:
    return name.replace("_", " ")


def _format_value(value: str | None, is_number: bool) -> str:
    if value is None:
        return "-"
    return f"{Decimal(value):,}" if is_number else value
