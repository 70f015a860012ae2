"""The email that lists the notifications of an hour that exceeded the budget."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from contract.text import escape_control_characters
from pipeline.clock import parse_utc
from pipeline.ledger.keys import summary_notification
from pipeline.notifications.email_budget import (
    EMAILS_PER_HOUR,
    EmailBudget,
    Summary,
    SummaryEntry,
)
from pipeline.notifications.emails import Email, EmailSender
from pipeline.notifications.limits import count_fitting
from pipeline.text import truncate

# A function that reserved nothing at the end of an hour adds its entry to the summary of this hour
# before it ends. No function runs longer than 15 minutes (AWS Lambda Developer Guide, "Lambda
# quotas").
_MAX_FUNCTION_DURATION = timedelta(minutes=15)
_HOUR = timedelta(hours=1)


def send_due_summary(budget: EmailBudget, email_sender: EmailSender, now: str) -> str | None:
    """Send the summary of the earliest hour that is over.

    It sends one summary, not all of them, so that the watchdog cannot send many at once after it
    was interrupted. The next sweep sends the next one.

    Args:
        budget: The budget that has the entries.
        email_sender: Sends the summary.
        now: The current time, ISO 8601.

    Returns:
        The hour, such as `2026-11-24T08`. None if no summary is due.
    """
    for hour in budget.list_open_hours():
        if parse_utc(now) < _parse_hour(hour) + _HOUR + _MAX_FUNCTION_DURATION:
            continue
        email_sender.send_once(
            summary_notification(hour), build_summary_email(budget.get_summary(hour))
        )
        budget.close_summary(hour)
        return hour
    return None


def build_summary_email(summary: Summary) -> Email:
    """Return the email that lists the notifications of an hour without emails of their own."""
    start = _parse_hour(summary.hour)
    period = f"{start:%Y-%m-%d %H:%M} and {start + _HOUR:%H:%M} UTC"
    total = sum(entry.repetitions for entry in summary.entries) + summary.omitted
    lines = [_format_entry(entry) for entry in summary.entries]
    listed = count_fitting(lines)
    omitted = summary.omitted + sum(entry.repetitions for entry in summary.entries[listed:])
    return Email(
        f"Summary: {_count(total, 'more notification')} between {period}",
        "\n".join(_format_body(period, total, lines[:listed], omitted)) + "\n",
    )


def _format_body(period: str, total: int, lines: list[str], omitted: int) -> Iterator[str]:
    yield (
        f"{_count(total, 'notification')} between {period} without a separate email: in an hour,"
        f" at most {EMAILS_PER_HOUR} emails about uploads and batches are sent, and at most one of"
        " them for each file or folder. Emails about runs are not limited.\n"
    )
    yield (
        "The latest notification about each problem is listed below. The problem may have been"
        " resolved since then:\n"
    )
    yield from lines
    if omitted:
        yield f"\nand {omitted:,} more. The log of receive_upload names every upload."


def _format_entry(entry: SummaryEntry) -> str:
    times = f" ({entry.repetitions:,} times)" if entry.repetitions > 1 else ""
    subject = escape_control_characters(entry.subject)
    return f"- {subject}{times}\n  {entry.event_time}: {truncate(entry.detail)}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _parse_hour(hour: str) -> datetime:
    return parse_utc(f"{hour}:00:00Z")
