"""The in-memory table of the history tests behaves like the emulated DynamoDB."""

from __future__ import annotations

from datetime import timedelta
from random import Random
from typing import Any

import boto3
import pytest

from pipeline.ledger.batch import BatchFile, new_run, order_of_event
from pipeline.ledger.batch_ledger import BatchLedger
from pipeline.ledger.run_slots import RunSlots
from pipeline.ledger.table import LedgerTable
from pipeline.notifications.email_budget import EmailBudget, SummaryEntry, get_hour
from tests.functional.conftest import Cloud
from tests.support.memory.clients import MemoryTable

DATASETS = ("users", "vehicles", "locations", "rentals")
NOW = "2026-11-25T08:00:00.000000Z"


def _take_step(table: LedgerTable, random: Random) -> list[Any]:
    """Carry out one random operation of the ledger, and return its result."""
    batches, slots, budget = BatchLedger(table), RunSlots(table, 2), EmailBudget(table)
    prefix, dataset = random.choice(["raw/a/", "raw/b/"]), random.choice(DATASETS)
    number = random.randrange(30)
    file = BatchFile(
        dataset, f"{prefix}{dataset}", f"v{number}", 1, order_of_event(str(number)), NOW
    )
    batch = batches.get_batch(prefix)
    operation = random.randrange(11)
    run = f"run-{number % 4}"
    results: list[Any] = []
    if operation <= 2:
        results += [batches.record_valid(prefix, file, NOW)]
    elif operation == 3:
        results += [batches.record_rejected(prefix, file, "problem", NOW)]
    elif operation == 4:
        results += [batches.remove_file(prefix, old) for old in batch.files.values()]
    elif operation == 5 and batch.is_complete:
        results += [batches.claim(new_run(prefix, batch.files, NOW), batch)]
    elif operation == 6:
        results += [batches.record_started(claimed) for claimed in batch.claimed_runs]
    elif operation == 7 and batch.is_complete:
        results += [batches.record_held(batch, run), batches.get_batch(prefix).held_run]
    elif operation == 8:
        results += [budget.reserve(f"notification {number}", f"cause {number % 7}", NOW)]
        entry = SummaryEntry(f"subject {number % 3}", "detail", f"2026-11-25T08:{number:02}")
        budget.add_to_summary(entry, NOW)
        results += [budget.get_summary(get_hour(NOW)), budget.list_open_hours()]
    elif operation == 9:
        results += [batches.close(batch, NOW, timedelta(days=90)), batch.is_idle]
    else:
        results += [slots.acquire(run) if number % 2 else slots.release(run), slots.list_runs()]
    return results


@pytest.mark.parametrize("seed", range(3))
def test_memory_table_equals_dynamodb(cloud: Cloud, seed: int) -> None:
    memory = MemoryTable(lambda _: None)
    for number in range(80):
        results = [
            _take_step(table, Random(f"{seed} {number}")) for table in (memory, cloud.ledger)
        ]
        assert results[0] == results[1], number
    ids = {
        item["id"]["S"] for item in boto3.client("dynamodb").scan(TableName=cloud.table)["Items"]
    }
    assert {key: memory.get(key) for key in ids} == {key: cloud.ledger.get(key) for key in ids}
    assert set(memory.items) == ids
    open_items = [item["id"] for item in memory.query_open("batch")]
    assert sorted(open_items) == sorted(item["id"] for item in cloud.ledger.query_open("batch"))
