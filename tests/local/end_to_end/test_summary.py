"""Test that the deployed watchdog has the permissions to send a summary and to close its pages."""

from __future__ import annotations

from datetime import timedelta

import pytest

from pipeline.clock import format_utc, parse_utc, utc_now
from pipeline.ledger.table import LedgerTable
from pipeline.notifications.email_budget import EmailBudget, SummaryEntry
from tests.local.support.runs import find_emails, invoke_function
from tests.local.support.stack import Stack
from tests.support.events import load_event

pytestmark = pytest.mark.xdist_group("local")

SUBJECT = "Unknown file: raw/summary-test/file.csv"


def test_summary_is_sent_once(stack: Stack) -> None:
    table = LedgerTable(stack.client("dynamodb"), stack.outputs["LedgerTableName"])
    budget = EmailBudget(table)
    # The budget itself stays unused: the other tests of this stack expect their emails.
    two_hours_ago = format_utc(parse_utc(utc_now()) - timedelta(hours=2))
    budget.add_to_summary(SummaryEntry(SUBJECT, "detail", two_hours_ago), two_hours_ago)
    for _ in range(2):
        invoke_function(stack, "WatchdogFunction", load_event("schedule"))
    [email] = find_emails(stack, "summary-test")
    assert email["Subject"].startswith("Summary: 1 more notification between ")
    assert budget.list_open_hours() == []
