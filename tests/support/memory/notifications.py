"""Emails in memory. As in `EmailSender`, items of the ledger prevent that one is sent again."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import timedelta

from pipeline.clock import parse_utc, utc_now
from pipeline.ledger.keys import EXPIRATION, NOTIFICATION_PREFIX, expiration_time
from pipeline.notifications.email_budget import RETENTION, EmailBudget, SummaryEntry
from pipeline.notifications.emails import Email
from tests.support.memory.clients import MemoryTable


class ExpiringEmailSender:
    """Sends emails once, as long as the item of the notification has not expired.

    Attributes:
        sent: The notification key and the subject of each email, oldest first.
    """

    def __init__(self, table: MemoryTable, retention: timedelta) -> None:
        self.sent: list[tuple[str, str]] = []
        self._table = table
        self._retention = retention
        self._budget = EmailBudget(table)

    def send_once(self, notification_key: str, email: Email) -> bool:
        if self._is_recorded(notification_key):
            return False
        self.sent.append((notification_key, email.subject))
        self._record(notification_key, self._retention)
        return True

    def send_within_budget(
        self, notification_key: str, email: Email, summary: Sequence[SummaryEntry], cause: str
    ) -> bool:
        if self._is_recorded(notification_key):
            return False
        if self._budget.reserve(notification_key, cause, utc_now()) is None:
            for entry in summary:
                self._budget.add_to_summary(entry, utc_now())
        else:
            self.sent.append((notification_key, email.subject))
        self._record(notification_key, RETENTION)
        return True

    def _is_recorded(self, notification_key: str) -> bool:
        expiration: float = self._table.get(_get_id(notification_key)).get(EXPIRATION, 0)
        return expiration > parse_utc(utc_now()).timestamp()

    def _record(self, notification_key: str, retention: timedelta) -> None:
        expiration = expiration_time(parse_utc(utc_now()), retention)
        key = _get_id(notification_key)
        self._table.items[key] = {"id": key, "status": "COMPLETED", EXPIRATION: expiration}


def _get_id(notification_key: str) -> str:
    # As in DynamoDBPersistenceLayer of Powertools.
    digest = hashlib.md5(notification_key.encode(), usedforsecurity=False).hexdigest()
    return f"{NOTIFICATION_PREFIX}#{digest}"
