"""Tests of the pages of a summary in the ledger, and of the size of its email."""

from __future__ import annotations

import json
import re
from typing import Any

import boto3
import pytest
from boto3.dynamodb.types import TypeSerializer

from pipeline.notifications import email_budget
from pipeline.notifications.email_budget import PAGES, EmailBudget, SummaryEntry
from pipeline.notifications.summary import build_summary_email
from tests.functional.conftest import Cloud

START = "2026-11-24T08:10:00Z"
HOUR = "2026-11-24T08"
MAX_SNS_MESSAGE_BYTES = 256 * 1024
MAX_ITEM_BYTES = 400 * 1024


@pytest.fixture
def budget(cloud: Cloud) -> EmailBudget:
    return EmailBudget(cloud.ledger)


def test_entry_keeps_newest_detail_and_counts_repetitions(budget: EmailBudget) -> None:
    for minute, detail in ((1, "first"), (3, "newest"), (2, "late event")):
        entry = SummaryEntry("a", detail, f"2026-11-24T08:0{minute}:00Z")
        budget.add_to_summary(entry, START)
    assert budget.get_summary(HOUR).entries == (
        SummaryEntry("a", "newest", "2026-11-24T08:03:00Z", repetitions=3),
    )


def test_full_page_counts_further_notifications(
    budget: EmailBudget, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(email_budget, "PAGES", 1)
    monkeypatch.setattr(email_budget, "_MAX_PAGE_ENTRIES", 2)
    for name in ("a", "b", "c", "d", "a"):
        budget.add_to_summary(SummaryEntry(name, "", START), START)
    summary = budget.get_summary(HOUR)
    assert [(entry.subject, entry.repetitions) for entry in summary.entries] == [("a", 2), ("b", 1)]
    assert summary.omitted == 2
    email = build_summary_email(summary)
    assert email.subject.startswith("Summary: 5 more notifications")
    assert "and 2 more." in email.body


def test_sizes_are_limited(
    cloud: Cloud, budget: EmailBudget, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The keys have the greatest possible length, in characters of the greatest size."""
    monkeypatch.setattr(email_budget, "PAGES", 2)
    count = 160
    for number in range(count):
        key = f"File rejected: raw/{number:04}{chr(0x1F600) * 254}"
        budget.add_to_summary(SummaryEntry(key, chr(0x1F600) * 1_000, START), START)
    table: Any = boto3.resource("dynamodb").Table(cloud.table)
    for item in table.scan()["Items"]:
        assert len(item["entries"]) == email_budget._MAX_PAGE_ENTRIES
        attributes = {name: TypeSerializer().serialize(value) for name, value in item.items()}
        assert len(json.dumps(attributes, ensure_ascii=False).encode()) < MAX_ITEM_BYTES / 2
    summary = budget.get_summary(HOUR)
    email = build_summary_email(summary)
    assert len(email.body.encode()) < MAX_SNS_MESSAGE_BYTES - 1_000
    listed = len(re.findall(r"^\d+ Nov \d\d:\d\d UTC$", email.body, re.M))
    assert listed > 50
    assert f"and {count - listed:,} more." in email.body


def test_number_of_pages_fits_key() -> None:
    assert PAGES <= 100
