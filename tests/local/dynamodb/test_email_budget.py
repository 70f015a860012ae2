"""Tests that functions that run at the same time share the budget of emails.

moto is not atomic when threads call it, but the local cloud is, as AWS is.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from local.cloud import Cloud
from pipeline.ledger.table import LedgerTable
from pipeline.notifications.email_budget import EMAILS_PER_HOUR, EmailBudget, SummaryEntry

TABLE = "email-budget"
HOUR = "2026-11-24T08"
NOW = f"{HOUR}:10:00.000000Z"
COUNT = 100


@pytest.fixture(scope="module")
def budget(cloud: Cloud) -> EmailBudget:
    dynamodb = cloud.client("dynamodb")
    dynamodb.create_table(
        TableName=TABLE,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[
            {"AttributeName": name, "AttributeType": "S"} for name in ("id", "open")
        ],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "open-items",
                "KeySchema": [{"AttributeName": "open", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
        BillingMode="PAY_PER_REQUEST",
    )
    return EmailBudget(LedgerTable(dynamodb, TABLE))


def test_concurrent_functions_reserve_each_email_once(budget: EmailBudget) -> None:
    def reserve(number: int) -> int | None:
        return budget.reserve(f"key {number}", f"cause {number}", NOW)

    with ThreadPoolExecutor(8) as pool:
        numbers = [number for number in pool.map(reserve, range(COUNT)) if number]
    assert sorted(numbers) == [*range(1, EMAILS_PER_HOUR + 1)]


def test_concurrent_functions_lose_no_entry(budget: EmailBudget) -> None:
    def add(number: int) -> None:
        # Each subject occurs twice.
        entry = SummaryEntry(f"subject {number % (COUNT // 2)}", f"detail {number:03}", NOW)
        budget.add_to_summary(entry, NOW)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add, range(COUNT)))
    summary = budget.get_summary(HOUR)
    assert len(summary.entries) == COUNT // 2
    assert {entry.repetitions for entry in summary.entries} == {2}
    assert summary.omitted == 0
    assert budget.list_open_hours() == [HOUR]
    budget.close_summary(HOUR)
    assert budget.list_open_hours() == []
