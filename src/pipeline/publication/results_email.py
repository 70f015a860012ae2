"""The email about the results of a run: the numbers first, then what they rest on.

It is read on phones, in proportional type. Its subject and its first line are the result. It
contains no personal data, quotes no value of a rejected row, and has no link that works without
credentials. All of its lists are limited.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from contract.datasets import DATASETS, RENTALS
from contract.reports import DatasetCounts, TransformationReport
from pipeline.aws.athena import QueryResult
from pipeline.ledger.batch import Run
from pipeline.notifications import figures
from pipeline.notifications.emails import Email
from pipeline.notifications.plain_text import (
    LINE_LENGTH,
    fold,
    join_folded,
    list_values,
    quote,
    shorten,
)
from pipeline.notifications.run_names import (
    build_command,
    describe_stack_option,
    label_batch,
    label_run,
    name_run,
)
from pipeline.publication.change_lines import describe_changes
from pipeline.publication.day_changes import DayChanges
from pipeline.publication.questions import TOTALS
from pipeline.publication.week import TypeRevenue, Week, count_later_rentals, parse_week

_MAX_REASONS = 3
_MAX_FILE_WARNINGS = 5
_MAX_FILE_WARNING_LINES = 4


@dataclass(frozen=True)
class ReportPage:
    """The report page of a run.

    Attributes:
        url: URL of the page in the console of S3.
        exists: Whether the page was written.
    """

    url: str
    exists: bool


@dataclass(frozen=True)
class Outcome:
    """Whether readers see the run.

    Attributes:
        changes: The days that differ from the run that readers saw before. None unless the run is
            published.
        published_instead: The run that readers see instead, as its ID and the prefix of its batch.
            None if the run is published, or if it only verifies the deployment.
        is_test: Whether the run only verifies the deployment.
    """

    changes: DayChanges | None = None
    published_instead: tuple[str, str] | None = None
    is_test: bool = False


def build_results_email(
    run: Run,
    report: TransformationReport,
    answers: Mapping[str, QueryResult],
    outcome: Outcome,
    page: ReportPage,
    max_rejected_percent: Decimal,
    stack: str,
) -> Email:
    """Return the email about the results of a run.

    Args:
        run: The run.
        report: What the transformation job counted.
        answers: The answers to all questions, by question name.
        outcome: Whether readers see the run.
        page: The report page of the run.
        max_rejected_percent: Maximum percentage of rejected rentals.
        stack: Name of the stack.
    """
    week = parse_week(answers)
    sections = [
        _describe_hidden_run(outcome),
        _format_totals(report, answers[TOTALS.name]),
        *_format_week(week, answers[TOTALS.name]),
        describe_changes(outcome.changes) if outcome.changes else "",
        *_format_types(week),
        *_format_locations(answers["top_locations"]),
        "\n".join(
            [
                *_format_rows(report, max_rejected_percent),
                *_format_warnings(report, run, count_later_rentals(answers)),
            ]
        ),
        *_format_file_warnings(run),
        "Readers see this run now." if outcome.changes else "",
        _format_commands(run, outcome, page, stack),
    ]
    body = "\n\n".join(section for section in sections if section) + "\n"
    email = Email(_build_subject(run, report, week, outcome), body)
    return email.mark_as_test() if outcome.is_test else email


def _build_subject(
    run: Run, report: TransformationReport, week: Week | None, outcome: Outcome
) -> str:
    """Return the subject: the result comes first, and the name of the batch last."""
    rejected = sum(counts.rejected for counts in report.datasets.values())
    revenue = f"{figures.format_short_amount(report.revenue)}"
    parts = [revenue]
    if week and (change := _format_change(week, week.now.revenue, week.before.revenue)):
        parts.append(f"week {change}")
    parts.append(f"{rejected:,} rejected")
    title = "Rental KPIs superseded" if outcome.published_instead else "Rental KPIs"
    return f"{title}: {', '.join(parts)} ({label_batch(run.batch)})"


def _describe_hidden_run(outcome: Outcome) -> str:
    """Return why readers do not see the run. Empty if they see it."""
    if outcome.is_test:
        return fold(
            "This run only verifies the deployment, and its numbers are not real. Readers do not"
            " see this run, and ./run verify deletes its files."
        )
    if outcome.published_instead:
        reason = "Readers do not see this run, because a run that was claimed later is published:"
        label = quote(label_run(*outcome.published_instead))
        return f"{fold(reason)}\n{label}\nThe tables of this run are kept as history."
    return ""


def _format_totals(report: TransformationReport, totals: QueryResult) -> str:
    rentals = report.datasets[RENTALS.name].accepted
    lines = [
        join_folded(
            figures.format_amount(report.revenue), f"from {figures.count(rentals, 'rental')}"
        )
    ]
    (record,) = totals.records
    if record["first_day"] and record["last_day"]:
        first, last = map(date.fromisoformat, (record["first_day"], record["last_day"]))
        lines.append(figures.format_period(first, last))
    return "\n".join(lines)


def _format_week(week: Week | None, totals: QueryResult) -> Iterator[str]:
    if week is None:
        yield fold("No rental is on or before the day of the upload, so there is no last week.")
        return
    # The period of all days names a year. It is another one if a rental is far in the future.
    (record,) = totals.records
    last_day = date.fromisoformat(record["last_day"]) if record["last_day"] else week.last_day
    with_year = last_day.year != week.last_day.year
    period = figures.format_days(week.first_day, week.last_day, with_year=with_year)
    period_before = figures.format_days(*week.days_before)
    now, before = week.now, week.before
    values = (
        (figures.format_amount(now.revenue), "revenue", now.revenue, before.revenue),
        (f"{now.rentals:,}", "rentals", now.rentals, before.rentals),
        (figures.format_amount(now.average), "average", now.exact_average, before.exact_average),
        (f"{now.users:,}", "users", now.users, before.users),
    )
    lines = [
        _add_change(f"{value} {name}", _format_change(week, number, base))
        for value, name, number, base in values
    ]
    if week.missing_days:
        days = (
            "1 of the 14 days has"
            if week.missing_days == 1
            else (f"{week.missing_days} of the 14 days have")
        )
        comparison = fold(f"Not compared with {period_before}, because {days} no rentals.")
    else:
        comparison = f"Compared with {period_before}."
    yield "\n".join([f"Last 7 days ({period})", *lines, comparison])


def _format_types(week: Week | None) -> Iterator[str]:
    if week is None or not week.types:
        return
    lines = [
        _format_type(row, _format_change(week, row.revenue, row.revenue_before))
        for row in week.types
    ]
    if week.omitted_types:
        lines.append(f"and {figures.count(week.omitted_types, 'more type')}")
    yield "\n".join(["By type, last 7 days", *lines])


def _format_type(row: TypeRevenue, change: str) -> str:
    amount = figures.format_amount(row.revenue)
    available = LINE_LENGTH - len(_add_change(f"{amount} ", change))
    return _add_change(f"{amount} {shorten(row.vehicle_type, available)}", change)


def _format_locations(answer: QueryResult) -> Iterator[str]:
    lines = [
        list_values(
            figures.format_amount(Decimal(record["revenue"] or 0)),
            *(
                [record["location_name"], record["city"] or "unknown city"]
                if record["location_name"]
                else [f"unknown location {record['location_id']}"]
            ),
        )
        for record in answer.records
    ]
    if lines:
        yield "\n".join(["Top locations, all days", *lines])


def _format_rows(report: TransformationReport, max_rejected_percent: Decimal) -> Iterator[str]:
    yield "Rows"
    counts = [(dataset, report.datasets[dataset.name]) for dataset in DATASETS]
    accepted = sum(each.accepted for _, each in counts)
    rejected = sum(each.rejected for _, each in counts)
    if not rejected:
        yield join_folded(f"All {accepted:,} accepted.", "None rejected.")
        return
    limit = f", limit {max_rejected_percent.normalize():f}%"
    for dataset, each in reversed(counts):
        if each.rejected:
            share = figures.format_share(each.rejected, each.read)
            yield join_folded(
                f"{each.rejected:,} of {each.read:,} {dataset.name} rejected",
                f"({share}{limit if dataset is RENTALS else ''})",
            )
    yield f"All other {accepted:,} accepted."
    yield from _format_reasons(report.datasets)


def _format_reasons(datasets: Mapping[str, DatasetCounts]) -> Iterator[str]:
    """Yield the reject reasons with the most rows."""
    reasons = sorted(
        (-rows, dataset, reason)
        for dataset, counts in datasets.items()
        for reason, rows in counts.reasons.items()
        if rows
    )
    yield "Main reasons:"
    for rows, dataset, reason in reasons[:_MAX_REASONS]:
        yield list_values(f"{-rows:,}", f"{dataset}: {reason}")
    omitted = len(reasons) - _MAX_REASONS
    if omitted > 0:
        verb = "is" if omitted == 1 else "are"
        yield f"{figures.count(omitted, 'more reason')} {verb} in the report."


def _format_warnings(report: TransformationReport, run: Run, later_rentals: int) -> Iterator[str]:
    warnings = sorted((-rows, code) for code, rows in report.warnings.items() if rows)
    lines = [f"{-rows:,} {code}" for rows, code in warnings]
    if later_rentals:
        day = figures.format_day(date.fromisoformat(run.claimed_at[:10]), with_year=True)
        lines.append(join_folded(f"{later_rentals:,} dated after the upload", f"({day})"))
    if lines:
        yield from ["Warnings:", *lines]


def _format_file_warnings(run: Run) -> Iterator[str]:
    warnings = [f"{file.dataset}: {warning}" for file in run.files for warning in file.warnings]
    if not warnings:
        return
    lines = [quote(text, _MAX_FILE_WARNING_LINES) for text in warnings[:_MAX_FILE_WARNINGS]]
    omitted = len(warnings) - _MAX_FILE_WARNINGS
    if omitted > 0:
        lines.append(f"and {figures.count(omitted, 'more warning')}")
    yield "\n".join(["Warnings about the files:", *lines])


def _format_commands(run: Run, outcome: Outcome, page: ReportPage, stack: str) -> str:
    if outcome.is_test:
        return f"More about the run: {build_command('show', run.run_id)}"
    command = build_command("report", name_run(run.run_id, run.batch))
    if page.exists:
        lines = [f"The whole report: {page.url} or {command}"]
    else:
        lines = [
            fold("The report page was not written. The numbers above are complete."),
            f"To write the page: {build_command('report', run.run_id)}",
        ]
    changes = outcome.changes
    if changes and changes.previous_run_id:
        previous = name_run(changes.previous_run_id, changes.previous_batch, run.batch)
        lines.append(f"To go back: {build_command('rollback', previous)}")
    return "\n".join([*lines, describe_stack_option(stack)])


def _add_change(line: str, change: str) -> str:
    return f"{line}, {change}" if change else line


def _format_change(week: Week, now: figures.Number, before: figures.Number) -> str:
    """Return a change in percent. Empty if a day is missing or the base is zero."""
    return "" if week.missing_days else figures.format_change(now, before)
