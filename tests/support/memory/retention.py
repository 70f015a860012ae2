"""What AWS deletes when its time has come: expired objects in S3, and items in the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from pipeline.ledger.keys import EXPIRATION
from tests.support.memory.clients import MemoryS3, MemoryTable

_DAY = timedelta(days=1)


@dataclass(frozen=True)
class LifecycleRule:
    """A rule of the bucket that lets objects expire.

    Attributes:
        prefix: The prefix of the keys.
        days: Number of days until the current version expires.
        noncurrent_days: Number of days until a noncurrent version is deleted.
    """

    prefix: str
    days: int
    noncurrent_days: int


def apply_lifecycle(s3: MemoryS3, rules: Sequence[LifecycleRule], now: datetime) -> None:
    """Apply the rules, and remove delete markers that no version has remained behind.

    An expired current version gets a delete marker. Times are rounded up to midnight (Amazon S3
    User Guide, "Expiring objects" and "Lifecycle configuration elements").

    Args:
        s3: The bucket.
        rules: The rules.
        now: S3 applies rules some time after they are due. This is the time up to which it has.
    """
    for key in list(s3.objects):
        for rule in rules:
            if key.startswith(rule.prefix):
                _apply_rule(s3, key, rule, now)
        versions = s3.objects[key]
        if len(versions) == 1 and versions[0].content is None:
            versions.clear()
        if not versions:
            del s3.objects[key]


def _apply_rule(s3: MemoryS3, key: str, rule: LifecycleRule, now: datetime) -> None:
    versions = s3.objects[key]
    # A version is noncurrent from the time when the next one was created.
    expired = [
        version
        for version, successor in pairwise(versions)
        if get_due_time(successor.modified_at, rule.noncurrent_days) <= now
    ]
    s3.objects[key] = [version for version in versions if version not in expired]
    current = versions[-1]
    if current.content is not None and get_due_time(current.modified_at, rule.days) <= now:
        s3.put(key, None)


def get_due_time(start: datetime, days: int) -> datetime:
    """Return the midnight after a number of days from a time."""
    midnight = start.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + (days + 1) * _DAY


def expire_items(table: MemoryTable, now: datetime) -> None:
    """Delete the expired items.

    DynamoDB deletes them at any time in the next days. The earliest time is the worst case.
    """
    for key, item in list(table.items.items()):
        if item.get(EXPIRATION, float("inf")) <= now.timestamp():
            del table.items[key]
