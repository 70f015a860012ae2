"""The restatements: the days that differ from what readers saw before, and the history of a day."""

from __future__ import annotations

import json
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import boto3
import pytest

from contract.layout import publication_key
from pipeline.aws.athena import QueryRunner
from pipeline.ledger.batch import Run
from pipeline.publication.day_changes import (
    ChangeTotals,
    DayChange,
    DayChanges,
    DayFigures,
    fetch_day_changes,
    parse_day_changes,
)
from pipeline.publication.day_history import DayStatement, build_day_history, fetch_day_history
from pipeline.publication.publication_records import PublicationRecords, format_record
from tests.functional.conftest import Cloud
from tests.support.athena import FakeAthena
from tests.support.publishing import OLDER_RUN_ID, publish, publish_older_run, read_objects
from tests.support.retry_clock import RetryClock
from tests.support.runs import (
    CLAIMED_AT,
    RUN_ID,
    create_transformation_report,
    finish_run,
)

DAY = date(2026, 11, 1)


@pytest.fixture
def athena(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> FakeAthena:
    """An Athena with an empty catalog. Nothing waits for a query."""
    RetryClock().install(monkeypatch)
    fake = FakeAthena(cloud.bucket)
    fake.install(monkeypatch)
    return fake


def _runner(name: str = "test") -> QueryRunner:
    return QueryRunner(boto3.client("athena"), "rental_kpi", "rental-kpi", name, lambda: 300_000)


def _add_days(athena: FakeAthena, run_id: str, days: dict[date, tuple[int, str]]) -> None:
    rows = [
        {"rental_date": day, "total_transactions": rentals, "total_revenue": Decimal(revenue)}
        for day, (rentals, revenue) in days.items()
    ]
    athena.add("daily_metrics", run_id, rows)


def test_days_of_two_runs_are_compared(athena: FakeAthena) -> None:
    days = [DAY + timedelta(number) for number in range(5)]
    _add_days(
        athena,
        "old",
        {days[0]: (1, "10.00"), days[1]: (1, "10.00"), days[2]: (2, "20.00"), days[3]: (3, "7.00")},
    )
    _add_days(
        athena,
        "new",
        {days[1]: (1, "10.00"), days[2]: (2, "20.01"), days[3]: (4, "7.00"), days[4]: (1, "0.00")},
    )
    assert fetch_day_changes(_runner(), "new", "old", "raw/old/") == DayChanges(
        "old",
        "raw/old/",
        has_expired=False,
        totals={
            "new": ChangeTotals(1, 1, Decimal("0.00")),
            "changed": ChangeTotals(2, 1, Decimal("0.01")),
            "vanished": ChangeTotals(1, -1, Decimal("-10.00")),
        },
        days=(
            DayChange("2026-11-05", "new", DayFigures(1, Decimal("0.00")), None),
            DayChange(
                "2026-11-04",
                "changed",
                DayFigures(4, Decimal("7.00")),
                DayFigures(3, Decimal("7.00")),
            ),
            DayChange(
                "2026-11-03",
                "changed",
                DayFigures(2, Decimal("20.01")),
                DayFigures(2, Decimal("20.00")),
            ),
            DayChange("2026-11-01", "vanished", None, DayFigures(1, Decimal("10.00"))),
        ),
    )


def test_list_of_days_is_limited_and_totals_are_not(athena: FakeAthena) -> None:
    days = {DAY - timedelta(number): (1, "1.00") for number in range(2_500)}
    _add_days(athena, "old", {DAY - timedelta(1): (2, "1.00"), DAY + timedelta(1): (1, "5.00")})
    _add_days(athena, "new", days)
    changes = fetch_day_changes(_runner(), "new", "old", "")
    assert changes.get_totals("new") == ChangeTotals(2_499, 2_499, Decimal("2499.00"))
    assert changes.get_totals("changed").days == changes.get_totals("vanished").days == 1
    assert len(changes.days) == 2_000
    assert changes.omitted == 501
    assert changes.days[0].day == DAY.isoformat()  # the latest days are kept


@pytest.mark.parametrize("previous", [None, "expired"])
def test_all_days_are_new_without_tables_to_compare_with(
    athena: FakeAthena, previous: str | None
) -> None:
    _add_days(athena, "new", {DAY: (1, "10.00")})
    changes = fetch_day_changes(_runner(), "new", previous, "raw/old/" if previous else "")
    assert changes.get_totals("new").days == 1
    assert changes.previous_run_id is None
    assert changes.has_expired == (previous is not None)


def test_publication_record_contains_restatements(cloud: Cloud, athena: FakeAthena) -> None:
    publish_older_run(cloud, athena)
    finish_run(cloud, athena)
    athena.database.execute(
        "UPDATE history_daily_metrics SET rental_date = '2026-11-03'"
        " WHERE run_id = ? AND rental_date = '2026-11-02'",
        [RUN_ID],
    )
    publish()
    first, second = map(json.loads, read_objects(cloud, "published_runs/").values())
    assert first["previous_run_id"] is None
    assert [entry["change"] for entry in first["days"]] == ["new", "new"]
    assert second["previous_run_id"] == OLDER_RUN_ID
    assert second["previous_batch"] == "raw/2026-11/"
    assert second["day_changes"] == [
        {"change": "new", "days": 1, "rentals": 2, "revenue": "500.50"},
        {"change": "vanished", "days": 1, "rentals": -2, "revenue": "-500.50"},
    ]
    assert second["days"] == [
        {"day": "2026-11-03", "change": "new", "rentals": 2, "revenue": "500.50"},
        {
            "day": "2026-11-02",
            "change": "vanished",
            "rentals_before": 2,
            "revenue_before": "500.50",
        },
    ]
    assert DayChanges() == parse_day_changes(DayChanges().to_fields())
    changes = parse_day_changes(second)
    assert changes
    assert changes == parse_day_changes(changes.to_fields())


def test_record_of_earlier_release_has_no_restatements() -> None:
    assert parse_day_changes({"run_id": "run"}) is None
    with pytest.raises(ValueError, match="invalid changes of days"):
        parse_day_changes({"days": [{}]})


def test_run_is_compared_with_what_readers_see_after_a_rollback(
    cloud: Cloud, athena: FakeAthena
) -> None:
    publish_older_run(cloud, athena)
    finish_run(cloud, athena)
    publish()
    _roll_back(cloud, OLDER_RUN_ID, "wrong prices")
    finish_run(cloud, athena, "next")
    publish("next", "2026-11-24T08:00:00.000000Z")
    records = [json.loads(text) for text in read_objects(cloud, "published_runs/").values()]
    newest = max(records, key=lambda record: str(record["published_at"]))
    assert (newest["run_id"], newest["previous_run_id"]) == ("next", OLDER_RUN_ID)


def _roll_back(cloud: Cloud, run_id: str, reason: str) -> None:
    """Publish an earlier run again, as `./run rollback` does."""
    records = PublicationRecords(boto3.client("s3"), cloud.bucket)
    published = records.read_published()
    assert published
    changes = fetch_day_changes(
        _runner(f"roll back to {run_id}"), run_id, published.run_id, published.batch
    )
    time = records.get_next_time("2026-11-23T09:00:00.000000Z")
    run = Run(run_id, "raw/2026-11/", CLAIMED_AT, ())
    text = format_record(run, time, create_transformation_report(run_id), changes, reason)
    assert records.write(publication_key(time, run_id), text)


def test_history_of_a_day_is_read_from_the_records(cloud: Cloud, athena: FakeAthena) -> None:
    publish_older_run(cloud, athena)
    finish_run(cloud, athena)
    athena.database.execute(
        "DELETE FROM history_daily_metrics WHERE run_id = ? AND rental_date = '2026-11-01'",
        [RUN_ID],
    )
    athena.database.execute(
        "UPDATE history_daily_metrics SET total_transactions = 3, total_revenue = 600.50"
        " WHERE run_id = ?",
        [RUN_ID],
    )
    reports = json.loads(read_objects(cloud, f"runs/{RUN_ID}/kpis")[f"runs/{RUN_ID}/kpis.json"])
    reports["tables"]["daily_metrics"]["rows"] = 1
    cloud.put(f"runs/{RUN_ID}/kpis.json", json.dumps(reports).encode())
    publish()
    _roll_back(cloud, OLDER_RUN_ID, "a day is missing")
    athena.read_publication_records()
    history = fetch_day_history(_runner("history"), DAY)
    figures = DayFigures(1, Decimal("100.00"))
    assert [(each.run_id, each.kind, each.figures, each.rollback_reason) for each in history] == [
        (OLDER_RUN_ID, "new", figures, None),
        (RUN_ID, "vanished", None, None),
        (OLDER_RUN_ID, "new", figures, "a day is missing"),
    ]
    assert [each.batch for each in history] == ["raw/2026-11/"] * 3
    changed = fetch_day_history(_runner("history"), date(2026, 11, 2))
    assert [each.kind for each in changed] == ["new", "changed", "changed"]
    absent = fetch_day_history(_runner("history"), date(2026, 12, 1))
    assert [(each.kind, each.figures) for each in absent] == [("absent", None)] * 3


def _record(run_id: str, **fields: Any) -> dict[str, str | None]:
    """Return a row of the query `day_history`."""
    return {
        "published_at": f"at {run_id}",
        "run_id": run_id,
        "batch": None,
        "previous_run_id": None,
        "rollback_reason": None,
        "omitted_days": "0",
        "listed_days": "0",
        "change": None,
        "rentals": None,
        "revenue": None,
        **fields,
    }


def _kinds(*records: dict[str, str | None]) -> list[tuple[str, str, str | None]]:
    return [
        (each.run_id, each.kind, str(each.figures.revenue) if each.figures else None)
        for each in build_day_history(records)
    ]


NEW = {"change": "new", "rentals": "1", "revenue": "10.00"}


def test_unchanged_day_has_the_figures_of_the_run_before() -> None:
    assert _kinds(
        _record("a", **NEW), _record("b", previous_run_id="a"), _record("c", previous_run_id="b")
    ) == [("a", "new", "10.00"), ("b", "unchanged", "10.00"), ("c", "unchanged", "10.00")]


def test_copied_record_of_a_rollback_says_what_its_run_said() -> None:
    """Its list of days is relative to another run than the one that it replaces."""
    changed = {"change": "changed", "rentals": "2", "revenue": "20.00"}
    records = [
        _record("a", **NEW),
        _record("b", previous_run_id="a", **changed),
        _record("a", **NEW),
    ]
    assert _kinds(*records) == [
        ("a", "new", "10.00"),
        ("b", "changed", "20.00"),
        ("a", "changed", "10.00"),
    ]


@pytest.mark.parametrize(
    "fields", [{"listed_days": None, "omitted_days": None}, {"omitted_days": "3"}]
)
def test_day_is_unknown_without_complete_list(fields: dict[str, str | None]) -> None:
    """The record was written by an earlier release, or its list is limited."""
    records = [
        _record("a", **NEW),
        _record("b", previous_run_id="a", **fields),
        _record("c", previous_run_id="b"),
        _record("d", previous_run_id="c", change="changed", rentals="2", revenue="20.00"),
    ]
    assert _kinds(*records) == [
        ("a", "new", "10.00"),
        ("b", "unknown", None),
        ("c", "unknown", None),
        ("d", "unknown", "20.00"),
    ]


def test_statement_names_its_publication() -> None:
    (statement,) = build_day_history([_record("a", batch="raw/x/", **NEW)])
    assert statement == DayStatement(
        "at a", "a", "raw/x/", "new", DayFigures(1, Decimal("10.00")), None
    )
