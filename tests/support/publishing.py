"""Publication of a run through the handler, and the objects that it writes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import boto3

from handlers.publish_results import handler
from tests.functional.conftest import Cloud, Context
from tests.support.athena import FakeAthena
from tests.support.events import load_event
from tests.support.runs import CLAIMED_AT, RUN_ID, finish_run

OLDER_RUN_ID = "2026-11-aaaaaaaaaaaaaaaaaaaa"
EARLIER_CLAIM = "2026-11-22T08:00:00.000000Z"

# The annotation replaces the one that the decorators leave, which requires a real context.
_handle: Callable[..., dict[str, Any]] = handler


def publish(
    run_id: str = RUN_ID,
    claimed_at: str = CLAIMED_AT,
    warnings: tuple[str, ...] = (),
    remaining_ms: int = 300_000,
    personal_data: bool = False,
    is_test: bool = False,
    batch: str = "raw/2026-11/",
) -> dict[str, Any]:
    """Publish a run and return the response of the function.

    Args:
        run_id: ID of the run.
        claimed_at: Time of the run's claim.
        warnings: Warnings of the file of users.
        remaining_ms: Remaining time of the function in milliseconds.
        personal_data: Whether the jobs of the run wrote personal data.
        is_test: Whether the run only verifies the deployment.
        batch: Prefix of the batch.
    """
    event = load_event("publish_results")
    event |= {"run_id": run_id, "claimed_at": claimed_at, "batch": batch}
    event["files"][0]["warnings"] = list(warnings)
    event |= {"personal_data": personal_data, "publish": not is_test}
    return _handle(event, Context(remaining_ms=remaining_ms))


def publish_older_run(cloud: Cloud, athena: FakeAthena) -> None:
    """Publish a run that was claimed before the others. Its average transaction is 1.00."""
    finish_run(cloud, athena, OLDER_RUN_ID, average="1.00")
    assert publish(OLDER_RUN_ID, EARLIER_CLAIM)["status"] == "PUBLISHED"


def read_objects(cloud: Cloud, *prefixes: str) -> dict[str, str]:
    """Return the content of all objects with one of the prefixes, in the order of their keys."""
    s3 = boto3.client("s3")
    return {
        entry["Key"]: s3.get_object(Bucket=cloud.bucket, Key=entry["Key"])["Body"].read().decode()
        for prefix in prefixes
        for entry in s3.list_objects_v2(Bucket=cloud.bucket, Prefix=prefix).get("Contents", [])
    }


def read_publication_objects(cloud: Cloud) -> dict[str, str]:
    """Return every object that a publication writes: publication records and reports."""
    return read_objects(cloud, "published_runs/", "reports/")
