"""The pointer: which run readers see, in every order in which runs finish."""

from __future__ import annotations

import json
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import boto3
import pytest

from cli.operations.rollback import Rollback, write_rollback
from contract.kpi_tables import KPI_TABLES
from pipeline.clock import format_utc, parse_utc, utc_now
from pipeline.errors import InvalidPublicationRecordError
from pipeline.ledger.batch import Run
from pipeline.ledger.keys import POINTER
from pipeline.publication.day_changes import DayChanges
from pipeline.publication.pointer import Pointer, publish_run
from pipeline.publication.publication_records import PublicationRecords, get_later_time
from tests.functional.conftest import Cloud
from tests.support.athena import FakeAthena
from tests.support.aws_calls import watch_calls
from tests.support.publishing import (
    EARLIER_CLAIM,
    OLDER_RUN_ID,
    publish,
    publish_older_run,
    read_objects,
    read_publication_objects,
)
from tests.support.runs import RUN_ID, create_transformation_report, finish_run


@pytest.fixture
def athena(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> FakeAthena:
    fake = FakeAthena(cloud.bucket)
    fake.install(monkeypatch)
    return fake


def _read_published_averages(athena: FakeAthena) -> set[str]:
    """Return the averages in all KPI tables that readers see. Each run has its own average."""
    return {
        str(average)
        for table in KPI_TABLES
        for (average,) in athena.query(f"SELECT average_transaction FROM {table.name}")  # noqa: S608
    }


def test_run_claimed_earlier_is_superseded(cloud: Cloud, athena: FakeAthena) -> None:
    finish_run(cloud, athena)
    publish()
    cloud.emails()
    finish_run(cloud, athena, OLDER_RUN_ID)
    before = read_objects(cloud, "published_runs/")
    assert publish(OLDER_RUN_ID, EARLIER_CLAIM) == {"status": "SUPERSEDED", "record_key": None}
    assert publish(OLDER_RUN_ID, EARLIER_CLAIM) == {"status": "SUPERSEDED", "record_key": None}
    assert read_objects(cloud, "published_runs/") == before
    ((subject, body),) = cloud.emails()
    assert subject == "Rental KPIs superseded: 600.50, 2 rejected (2026-11)"
    assert body.startswith("Readers do not see this run")
    assert "To go back" not in body


def test_run_claimed_later_is_published(cloud: Cloud, athena: FakeAthena) -> None:
    publish_older_run(cloud, athena)
    assert _read_published_averages(athena) == {"1.00"}
    finish_run(cloud, athena, average="2.00")
    assert publish()["status"] == "PUBLISHED"
    assert _read_published_averages(athena) == {"2.00"}
    first, second = sorted(read_objects(cloud, "published_runs/"))
    assert (OLDER_RUN_ID in first, RUN_ID in second) == (True, True)
    assert len(cloud.emails()) == 2


def test_superseded_run_that_was_published_before_sends_no_email(
    cloud: Cloud, athena: FakeAthena
) -> None:
    """Publishing it again after a later run changes nothing that readers see."""
    publish_older_run(cloud, athena)
    finish_run(cloud, athena)
    publish()
    objects_before, _ = read_publication_objects(cloud), cloud.emails()
    assert publish(OLDER_RUN_ID, EARLIER_CLAIM)["status"] == "SUPERSEDED"
    assert read_publication_objects(cloud) == objects_before
    assert cloud.emails() == []


def test_repeated_run_of_same_input_is_published(cloud: Cloud, athena: FakeAthena) -> None:
    finish_run(cloud, athena, average="1.00")
    publish()
    finish_run(cloud, athena, f"{RUN_ID}-again", average="2.00")
    assert publish(f"{RUN_ID}-again")["status"] == "PUBLISHED"
    assert _read_published_averages(athena) == {"2.00"}


def test_clock_that_goes_backward_does_not_hide_run(
    cloud: Cloud, athena: FakeAthena, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish_older_run(cloud, athena)
    finish_run(cloud, athena, average="2.00")
    monkeypatch.setattr(
        "pipeline.publication.pointer.utc_now", lambda: "2020-01-01T00:00:00.000000Z"
    )
    publish()
    assert _read_published_averages(athena) == {"2.00"}


def _records(cloud: Cloud) -> PublicationRecords:
    return PublicationRecords(boto3.client("s3"), cloud.bucket)


def _publish(cloud: Cloud, run: Run) -> Pointer:
    return publish_run(
        cloud.ledger, _records(cloud), run, create_transformation_report(), lambda _: DayChanges()
    )


def _roll_back(cloud: Cloud, run_id: str) -> None:
    """Write the publication record that `./run rollback` writes."""
    objects = read_objects(cloud, "published_runs/")
    (record,) = (
        json.loads(text) for key, text in objects.items() if key.endswith(f"-{run_id}.json")
    )
    target: Any = SimpleNamespace(client=boto3.client, bucket=cloud.bucket)
    restored: Any = SimpleNamespace(run=SimpleNamespace(run_id=run_id))
    write_rollback(target, Rollback(restored, restored, record), "wrong prices")


def test_rollback_is_one_more_publication_record(
    cloud: Cloud, athena: FakeAthena, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All tables change together. Publishing the same run again changes nothing."""
    one_hour_ago = format_utc(parse_utc(utc_now()) - timedelta(hours=1))
    records = _records(cloud)
    assert records.read_published_run_id() is None
    with monkeypatch.context() as patch:
        patch.setattr("pipeline.publication.pointer.utc_now", lambda: one_hour_ago)
        publish_older_run(cloud, athena)
        finish_run(cloud, athena, average="2.00")
        publish()
    assert records.read_published_run_id() == RUN_ID
    _roll_back(cloud, OLDER_RUN_ID)
    assert _read_published_averages(athena) == {"1.00"}
    assert records.read_published_run_id() == OLDER_RUN_ID
    publish()
    assert _read_published_averages(athena) == {"1.00"}
    finish_run(cloud, athena, "next", average="3.00")
    publish("next", "2026-11-24T08:00:00.000000Z")
    assert _read_published_averages(athena) == {"3.00"}
    assert records.read_published_run_id() == "next"


def test_rollback_by_a_clock_that_is_ahead_does_not_hide_the_next_run(
    cloud: Cloud, athena: FakeAthena, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish_older_run(cloud, athena)
    finish_run(cloud, athena, average="2.00")
    publish()
    in_two_hours = format_utc(parse_utc(utc_now()) + timedelta(hours=2))
    with monkeypatch.context() as patch:
        patch.setattr("cli.operations.rollback.utc_now", lambda: in_two_hours)
        _roll_back(cloud, OLDER_RUN_ID)
    assert _read_published_averages(athena) == {"1.00"}
    finish_run(cloud, athena, "next", average="3.00")
    assert publish("next", "2026-11-24T08:00:00.000000Z")["status"] == "PUBLISHED"
    assert _read_published_averages(athena) == {"3.00"}
    assert _records(cloud).read_published_run_id() == "next"
    assert max(read_objects(cloud, "published_runs/")).endswith("-next.json")


@pytest.mark.parametrize(
    ("key", "published_at"),
    [
        ("2026-10-01T08-00-00.000000Z-back.json", "2126-10-01T08:00:00.000000Z"),
        ("2126-10-01T08-00-00.000000Z-back.json", "2026-10-01T08:00:00.000000Z"),
        ("2126-10-01T08:00:00.000000Z-back.json", "2026-10-01T08:00:00.000000Z"),
        ("2126-99-01T08-00-00.000000Z-back.json", "2126-10-01T08:00:00.000000Z"),
        ("back.json", "2126-10-01T08:00:00.000000Z"),
        ("back.json", "2126-10-01T08:00:00Z"),
        ("back.json", "2126-10-01T08:00:00"),
        ("back.json", "2126-10-01T08:00:00.123+05:30"),
        ("back.json", "2126-10-01"),
    ],
)
def test_run_is_later_than_a_record_of_any_clock_and_format(
    cloud: Cloud, athena: FakeAthena, key: str, published_at: str
) -> None:
    """The views compare the times as text, and people sort the objects by their keys."""
    publish_older_run(cloud, athena)
    record = {"run_id": OLDER_RUN_ID, "published_at": published_at}
    cloud.put(f"published_runs/{key}", json.dumps(record).encode())
    finish_run(cloud, athena, average="2.00")
    response = publish()
    assert _read_published_averages(athena) == {"2.00"}
    assert _records(cloud).read_published_run_id() == RUN_ID
    if key.startswith(("2026", "2126-10")):
        assert response["record_key"] > f"published_runs/{key.replace(':', '-')}"


@pytest.mark.parametrize(
    "content",
    [
        b"[]",
        b"{",
        b'{"run_id": "x"}',
        b'{"run_id": "x", "published_at": "yesterday"}',
        b'{"run_id": "x", "published_at": "9999-12-31T23:59:59.999999Z"}',
    ],
)
def test_run_is_not_published_while_the_newest_record_is_invalid(
    cloud: Cloud, athena: FakeAthena, content: bytes
) -> None:
    """Readers would get errors, or would never see the run."""
    finish_run(cloud, athena)
    cloud.put("published_runs/back.json", content)
    with pytest.raises(InvalidPublicationRecordError, match="correct it or delete it"):
        publish()
    assert list(read_objects(cloud, "published_runs/")) == ["published_runs/back.json"]
    assert cloud.ledger.get(POINTER) == {}


@pytest.mark.parametrize(
    ("text", "later"),
    [
        ("2026-10-01T08:00:00.000000Z", "2026-10-01T08:00:00.000001Z"),
        ("2026-10-01T08:00:59.999999Z", "2026-10-01T08:01:00.000000Z"),
        ("2026-10-01T08:00:00Z", "2026-10-01T08:00:01.000000Z"),
        ("2026-10-01T08:00:00+00:00", "2026-10-01T08:00:00.000001Z"),
        ("2026-10-01T23:30:00+05:30", "2026-10-02T18:00:00.000000Z"),
    ],
)
def test_later_time_sorts_after_the_text(text: str, later: str) -> None:
    assert get_later_time(text) == later > text


@pytest.mark.parametrize("has_pointer", [False, True])
def test_pointer_that_moves_between_read_and_update_is_read_again(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, has_pointer: bool
) -> None:
    """The earlier run finds the pointer of the later run, and keeps it."""
    earliest, earlier, later = (
        Run(f"run-{day}", "raw/x/", f"2026-11-0{day}T08:00:00.000000Z", ()) for day in (1, 2, 3)
    )
    if has_pointer:
        _publish(cloud, earliest)
    operations: list[str] = []

    def move_pointer(operation: str, *_: object) -> None:
        operations.append(operation)
        if operations == ["GetItem"]:
            _publish(cloud, later)

    watch_calls(monkeypatch, move_pointer)
    assert _publish(cloud, earlier).run_id == later.run_id
