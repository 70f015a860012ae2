"""Calling publish_results, and looking at what it left."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import boto3

from handlers.publish_results import handler
from tests.functional.conftest import Cloud, Context
from tests.support.athena import FakeAthena
from tests.support.events import load_event
from tests.support.runs import CLAIMED_AT, RUN, finish_run

OLDER = "2026-11-aaaaaaaaaaaaaaaaaaaa"
EARLIER = "2026-11-22T08:00:00.000000Z"

# The decorators hide the types, or do not; Lambda gives a context of its own in any case.
_handle: Callable[..., dict[str, Any]] = handler


def publish(
    run_id: str = RUN,
    claimed_at: str = CLAIMED_AT,
    warnings: tuple[str, ...] = (),
    remaining_ms: int = 300_000,
    personal_data: bool = False,
) -> dict[str, Any]:
    """Publish a run; `warnings` are of its file of users."""
    event = load_event("publish_results") | {"run_id": run_id, "claimed_at": claimed_at}
    event["files"][0]["warnings"] = list(warnings)
    event["personal_data"] = personal_data
    return _handle(event, Context(remaining_ms=remaining_ms))


def publish_older(cloud: Cloud, athena: FakeAthena) -> None:
    """Publish a run that was claimed before the others; its average is 1.00."""
    finish_run(cloud, athena, OLDER, average="1.00")
    assert publish(OLDER, EARLIER)["status"] == "PUBLISHED"


def objects(cloud: Cloud, *prefixes: str) -> dict[str, str]:
    """The objects below the prefixes, by key in order."""
    s3 = boto3.client("s3")
    return {
        found["Key"]: s3.get_object(Bucket=cloud.bucket, Key=found["Key"])["Body"].read().decode()
        for prefix in prefixes
        for found in s3.list_objects_v2(Bucket=cloud.bucket, Prefix=prefix).get("Contents", [])
    }


def published(cloud: Cloud) -> dict[str, str]:
    """All that publishing leaves in the bucket."""
    return objects(cloud, "published_runs/", "reports/")
