"""Sweeps of the watchdog, and the items of runs in the ledger."""

from __future__ import annotations

from typing import Any

import boto3

from handlers.watchdog import handler
from tests.functional.conftest import Cloud, Context
from tests.support.events import load_event

BATCH = "raw/2026-11/"
LONG_AGO = "2026-11-01T08:00:00.000000Z"


def run_watchdog(event: dict[str, Any] | None = None) -> dict[str, Any]:
    """Run a sweep for an event, by default a scheduled event, and return its result."""
    result: Any = handler(event or load_event("schedule"), Context())
    return dict(result)


def get_run_item(cloud: Cloud, run_id: str) -> dict[str, Any]:
    """Return the item of a run. It is empty if there is none."""
    response = boto3.resource("dynamodb").Table(cloud.table).get_item(Key={"id": f"run/{run_id}"})
    return response.get("Item", {})


def put_run_item(cloud: Cloud, run_id: str, status: str = "RUNNING") -> None:
    """Record a run as the state machine does."""
    boto3.resource("dynamodb").Table(cloud.table).put_item(
        Item={
            "id": f"run/{run_id}",
            "status": status,
            "batch": BATCH,
            "claimed_at": LONG_AGO,
            **({"open": "run"} if status == "RUNNING" else {}),
        }
    )
