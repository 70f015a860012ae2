"""The hourly limit on emails, and the entries of the summary of what exceeds it.

Amazon SNS suspends an email subscription that receives more than ten messages in a second (Amazon
SNS Developer Guide, "Amazon SNS email subscription setup and management"), and whoever may upload
can cause any number of notifications. Therefore, all emails that are not about runs share a budget.
A notification that exceeds it becomes an entry of the summary of its hour.

The ledger has one item for the emails of each hour, `email_budget/<hour>`, and up to 32 items for
its summary, `email_budget/<hour>/<page>`. The subject of an entry determines its page, so that
notifications about one subject share one entry. The size of every item is limited.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from contract.text import escape_control_characters
from pipeline.clock import parse_utc
from pipeline.ledger.keys import (
    EMAIL_BUDGET_PREFIX,
    EXPIRATION,
    OPEN,
    OPEN_SUMMARY,
    email_budget_key,
    expiration_time,
    summary_page_key,
)
from pipeline.ledger.table import LedgerTable
from pipeline.text import truncate

EMAILS_PER_HOUR = 20
RETENTION = timedelta(days=15)
"""Time for which the ledger keeps the items of budgeted notifications.

EventBridge delivers an event for up to a day, and the dead-letter queue keeps it for up to 14 more
days. After that, an event cannot be repeated.
"""
PAGES = 32
_MAX_PAGE_ENTRIES = 64
_MAX_SUBJECT_LENGTH = 200
_MAX_DETAIL_LENGTH = 300
_HOUR_LENGTH = len("2026-11-24T08")
_DIGEST_LENGTH = 20


@dataclass(frozen=True)
class SummaryEntry:
    """What the summary says about a notification that has no email of its own.

    Attributes:
        subject: What it is about, such as `File rejected: raw/2026-11/users.csv`. The summary of an
            hour has one entry for each subject.
        detail: The state at the time.
        event_time: Time of the event, ISO 8601 in UTC. A later event replaces the detail.
        repetitions: How many notifications about the subject the entry stands for.
    """

    subject: str
    detail: str
    event_time: str
    repetitions: int = 1


@dataclass(frozen=True)
class Summary:
    """The notifications of an hour that have no emails of their own.

    Attributes:
        hour: The hour in UTC, such as `2026-11-24T08`.
        entries: One entry for each subject, the earliest event first.
        omitted: How many notifications have no entry because the pages were full.
    """

    hour: str
    entries: tuple[SummaryEntry, ...]
    omitted: int


def get_hour(time: str) -> str:
    """Return the hour of a time in UTC, such as `2026-11-24T08`."""
    return time[:_HOUR_LENGTH]


class EmailBudget:
    """The items of the budget. All times are ISO 8601 in UTC."""

    def __init__(self, table: LedgerTable) -> None:
        self._table = table

    def reserve(self, notification_key: str, cause: str, now: str) -> int | None:
        """Reserve one of the emails of this hour for a notification.

        A notification keeps its email, so an attempt that failed can be repeated.

        Args:
            notification_key: Identifies the notification.
            cause: At most one email in an hour is sent for each cause.
            now: The current time.

        Returns:
            The number of the email within the hour, from 1. None if all emails of the hour are
            reserved, or one for this cause.
        """
        key = email_budget_key(get_hour(now))
        notification = _digest(notification_key)
        self._table.update(
            key,
            "SET causes = list_append(if_not_exists(causes, :none), :cause),"
            " notifications = list_append(if_not_exists(notifications, :none), :notification),"
            f" {EXPIRATION} = :expiration",
            "attribute_not_exists(causes)"
            " OR (size(causes) < :max AND NOT contains(causes, :digest))",
            values={
                ":none": [],
                ":cause": [_digest(cause)],
                ":digest": _digest(cause),
                ":notification": [notification],
                ":max": EMAILS_PER_HOUR,
                ":expiration": expiration_time(parse_utc(now), RETENTION),
            },
        )
        reserved = self._table.get(key).get("notifications", [])
        return reserved.index(notification) + 1 if notification in reserved else None

    def add_to_summary(self, entry: SummaryEntry, now: str) -> None:
        """Add an entry to the summary of this hour, or update the entry with the same subject.

        If the page of the entry is full, the notification is only counted.
        """
        subject = escape_control_characters(entry.subject)
        digest = _digest(subject)
        page = summary_page_key(get_hour(now), int(digest, 16) % PAGES)
        self._create_page(page, now)
        names = {"#entry": digest}
        detail = _shorten(truncate(entry.detail), _MAX_DETAIL_LENGTH)
        value = {
            "subject": _shorten(subject, _MAX_SUBJECT_LENGTH),
            "detail": detail,
            "event_time": entry.event_time,
            "repetitions": 1,
        }
        count = "entries.#entry.repetitions = entries.#entry.repetitions + :one"
        one = {":one": 1}
        _ = (
            self._table.update(
                page,
                "SET entries.#entry = :entry",
                "attribute_not_exists(entries.#entry) AND size(entries) < :max",
                names,
                {":entry": value, ":max": _MAX_PAGE_ENTRIES},
            )
            or self._table.update(
                page,
                f"SET {count}, entries.#entry.detail = :detail, entries.#entry.event_time = :time",
                "entries.#entry.event_time <= :time",
                names,
                {**one, ":detail": detail, ":time": entry.event_time},
            )
            or self._table.update(
                page, f"SET {count}", "attribute_exists(entries.#entry)", names, one
            )
            or self._table.update(
                page, "SET omitted = omitted + :one", "attribute_exists(omitted)", values=one
            )
        )

    def _create_page(self, page: str, now: str) -> None:
        self._table.update(
            page,
            f"SET entries = :none, omitted = :zero, #open = :open, {EXPIRATION} = :expiration",
            "attribute_not_exists(entries)",
            {"#open": OPEN},
            {
                ":none": {},
                ":zero": 0,
                ":open": OPEN_SUMMARY,
                ":expiration": expiration_time(parse_utc(now), RETENTION),
            },
        )

    def list_open_hours(self) -> list[str]:
        """Return the hours that have a summary to send, the earliest one first."""
        pages = self._table.query_open(OPEN_SUMMARY)
        return sorted({get_hour(page["id"].removeprefix(EMAIL_BUDGET_PREFIX)) for page in pages})

    def get_summary(self, hour: str) -> Summary:
        """Return the summary of an hour."""
        pages = [self._table.get(summary_page_key(hour, page)) for page in range(PAGES)]
        entries = (entry for page in pages for entry in _parse_entries(page))
        return Summary(
            hour,
            tuple(sorted(entries, key=lambda entry: (entry.event_time, entry.subject))),
            sum(int(page.get("omitted", 0)) for page in pages),
        )

    def close_summary(self, hour: str) -> None:
        """Record that the summary of an hour was sent."""
        for page in range(PAGES):
            self._table.update(
                summary_page_key(hour, page),
                "REMOVE #open",
                "attribute_exists(#open)",
                {"#open": OPEN},
            )


def _parse_entries(page: Mapping[str, Any]) -> Iterator[SummaryEntry]:
    for entry in page.get("entries", {}).values():
        yield SummaryEntry(**{**entry, "repetitions": int(entry["repetitions"])})


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGEST_LENGTH]


def _shorten(text: str, length: int) -> str:
    """Return the text with at most a number of characters. The end of a key is kept."""
    if len(text) <= length:
        return text
    kept = length - len("...")
    return f"{text[: kept - kept // 2]}...{text[-(kept // 2) :]}"
