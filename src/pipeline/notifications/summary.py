"""The email that lists the notifications of an hour that exceeded the budget."""

from __future__ import annotations

from datetime import datetime, timedelta

from pipeline.clock import parse_utc
from pipeline.ledger.keys import summary_notification
from pipeline.notifications.email_budget import (
    EMAILS_PER_HOUR,
    EmailBudget,
    Summary,
    SummaryEntry,
)
from pipeline.notifications.emails import Email, EmailSender
from pipeline.notifications.figures import count, format_time
from pipeline.notifications.limits import count_fitting
from pipeline.notifications.plain_text import (
    EFFECT,
    NEXT_STEPS,
    build_body,
    fold,
    quote,
    section,
)

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
    entries = [_format_entry(entry) for entry in summary.entries]
    listed = count_fitting(entries)
    omitted = summary.omitted + sum(entry.repetitions for entry in summary.entries[listed:])
    return Email(
        f"Summary: {count(total, 'more notification')} between {period}",
        build_body(
            fold(f"{count(total, 'notification')} between {period} without a separate email."),
            section(
                EFFECT,
                fold(
                    "No email of this summary is about a run, so readers keep the numbers of the"
                    " last published run."
                ),
            ),
            section(
                NEXT_STEPS,
                fold(
                    "Look at each problem below. These are the latest notifications, so a problem"
                    " may have been resolved since then."
                ),
            ),
            *entries[:listed],
            fold(
                f"and {omitted:,} more. The log of receive_upload names every upload."
                if omitted
                else ""
            ),
            fold(
                f"In an hour, at most {EMAILS_PER_HOUR} emails about uploads and batches are sent,"
                " and at most one of them for each file or folder. Emails about runs are not"
                " limited."
            ),
        ),
    )


def _format_entry(entry: SummaryEntry) -> str:
    times = f" ({entry.repetitions:,} times)" if entry.repetitions > 1 else ""
    time = f"{format_time(entry.event_time)} UTC{times}"
    return f"{time}\n{quote(entry.subject)}\n{quote(entry.detail)}"


def _parse_hour(hour: str) -> datetime:
    return parse_utc(f"{hour}:00:00Z")
