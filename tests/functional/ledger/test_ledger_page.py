"""Tests that the examples in docs/ledger.md have the keys and attributes of real items."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.sns.models import sns_backends

from handlers.receive_upload import handler
from pipeline.notifications.email_budget import SummaryEntry
from pipeline.publication.pointer import Pointer
from tests.functional.conftest import REGION, Cloud, Context
from tests.support.broken_files import VALID_FILES
from tests.support.ended_runs import ACCOUNT
from tests.support.events import load_event, upload_event
from tests.support.uploads import Uploader, receive
from tests.support.watchdog import run_watchdog

PAGE = Path(__file__).resolve().parents[3] / "docs" / "ledger.md"
EXAMPLES = [json.loads(text) for text in re.findall(r"```json\n(.+?)```", PAGE.read_text(), re.S)]
DATASET_ATTRIBUTES = r"^(users|vehicles|locations|rentals)(?=$|_)"


def _get_key_prefix(item: dict[str, Any]) -> str:
    kind, *rest = re.split("[/#]", item["id"])
    return f"{kind} page" if kind == "email_budget" and len(rest) > 1 else kind


def _list_attributes(item: dict[str, Any]) -> set[str]:
    return {re.sub(DATASET_ATTRIBUTES, "<dataset>", name) for name in item}


@pytest.fixture
def items(cloud: Cloud) -> list[dict[str, Any]]:
    """The items after a run, a valid upload, rejected uploads, and an aborted run.

    Nobody has subscribed to the topic.
    """
    receive(*Uploader(cloud).upload_batch("raw/complete/"))
    files = ("users.csv", "rental_transactions.csv", "rental_transactions.csv")
    for number, file in enumerate(files):
        content = VALID_FILES[file] if file == "users.csv" else b"x"
        key = f"raw/2026-11/{file}"
        handler(upload_event(key, f"0{number}", cloud.put(key, content)), Context())
    subscriptions: Any = sns_backends[ACCOUNT][REGION].subscriptions
    subscriptions.clear()
    run_watchdog(load_event("status_aborted"))
    return boto3.resource("dynamodb").Table(cloud.table).scan()["Items"]


def test_examples_show_every_attribute(items: list[dict[str, Any]]) -> None:
    examples = {_get_key_prefix(example): _list_attributes(example) for example in EXAMPLES}
    emails = {"notification", "email_budget", "email_budget page"}
    others = {"pointer", "incomplete_report"}
    assert set(examples) == {"batch", "run", "run_slots", "subscription", *others, *emails}
    assert examples["incomplete_report"] == {"id", "batches"}
    assert examples["run_slots"] == {"id", "runs", "missing_runs"}
    published_run = {field.name for field in fields(Pointer)}
    assert examples["pointer"] == {"id", "confirmed", *published_run}
    (pointer,) = (example for example in EXAMPLES if example["id"] == "pointer")
    assert set(pointer["confirmed"]) == published_run
    prefixes = set()
    for item in items:
        prefixes.add(_get_key_prefix(item))
        attributes = _list_attributes(item)
        if _get_key_prefix(item) == "batch" and "expiration" in attributes:
            # A batch that is not open expires. The example is open.
            assert "open" not in attributes
            attributes.remove("expiration")
        assert attributes <= examples[_get_key_prefix(item)], item["id"]
    assert prefixes == {"batch", "run", "run_slots", "subscription", *emails}


def test_example_shows_entry_of_summary() -> None:
    (page,) = (example for example in EXAMPLES if "entries" in example)
    (entry,) = page["entries"].values()
    assert set(entry) == {field.name for field in fields(SummaryEntry)}
