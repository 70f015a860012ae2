"""Objects and items in memory expire as they do on AWS."""

from __future__ import annotations

from datetime import datetime

import pytest

from tests.support.memory.clients import MemoryS3, MemoryTable
from tests.support.memory.retention import LifecycleRule, apply_lifecycle, expire_items
from tests.support.pipeline_clock import PipelineClock

KEY = "raw/users.csv"
RULES = [LifecycleRule("raw/", days=10, noncurrent_days=3)]
Clock = type[PipelineClock]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return PipelineClock.install(monkeypatch, "2014-01-01T10:30:00+00:00")


def _time(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}+00:00")


def test_noncurrent_version_is_deleted_at_midnight(clock: Clock) -> None:
    """The example of the Amazon S3 User Guide, "Lifecycle configuration elements"."""
    s3 = MemoryS3(lambda _: None)
    s3.put(KEY, b"1")
    clock.current = _time("2014-01-15T10:30:00")
    current = s3.put(KEY, b"2")
    apply_lifecycle(s3, RULES, _time("2014-01-18T23:59:59"))
    assert len(s3.objects[KEY]) == 2
    apply_lifecycle(s3, RULES, _time("2014-01-19T00:00:00"))
    assert [version.version_id for version in s3.objects[KEY]] == [current]


def test_current_version_gets_a_delete_marker_and_vanishes_later(clock: Clock) -> None:
    s3 = MemoryS3(lambda _: None)
    s3.put(KEY, b"1")
    s3.put("runs/x/kpis.json", b"1")
    apply_lifecycle(s3, RULES, _time("2014-01-11T23:59:59"))
    assert len(s3.objects[KEY]) == 1
    clock.current = _time("2014-01-12T00:00:00")
    apply_lifecycle(s3, RULES, clock.current)
    apply_lifecycle(s3, RULES, clock.current)
    assert [version.content for version in s3.objects[KEY]] == [b"1", None]
    clock.current = _time("2014-01-16T00:00:00")
    apply_lifecycle(s3, RULES, clock.current)
    assert list(s3.objects) == ["runs/x/kpis.json"]


def test_expired_items_are_deleted() -> None:
    table = MemoryTable(lambda _: None)
    now = _time("2014-01-01T00:00:00")
    table.items = {
        "open": {"id": "open"},
        "due": {"id": "due", "expiration": int(now.timestamp())},
        "later": {"id": "later", "expiration": int(now.timestamp()) + 1},
    }
    expire_items(table, now)
    assert set(table.items) == {"open", "later"}
