"""Tests of the queries of a publication in Athena on a local cloud."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal

import pytest

from contract.layout import publication_key
from pipeline.publication.catalog import (
    build_day_changes_query,
    build_day_history_query,
    build_question_queries,
    build_row_count_query,
    build_week_queries,
)
from pipeline.publication.day_changes import DayChange, DayChanges, DayFigures
from tests.local.support.lake import COLUMNS, Lake
from tests.local.support.two_runs import OTHER_RUN, PUBLISHED_RUN, lake_with_two_runs

pytestmark = pytest.mark.xdist_group("lake")


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    with lake_with_two_runs(tmp_path_factory.mktemp("cloud")) as lake:
        yield lake


def test_row_counts_include_only_rows_of_run(lake: Lake) -> None:
    query = build_row_count_query(OTHER_RUN)
    header, *rows = lake.query(query.text, *query.parameters)
    counts = {row[0]: row[1:] for row in rows}
    assert header == ("table_name", "row_count", "rentals", "revenue")
    assert counts.keys() == COLUMNS.keys()
    assert counts["rentals"] == ("2", "2", "1999.98")
    assert counts["daily_metrics"] == ("1", "2", "1999.98")
    assert counts["users"] == ("0", "0", "0.00")


def test_questions_are_answered_for_run(lake: Lake) -> None:
    answers = {
        question.name: lake.query(question.text, *question.parameters)
        for question in build_question_queries(PUBLISHED_RUN)
    }
    header, totals = answers["totals"]
    assert dict(zip(header, totals, strict=True)) == {
        "rentals": "2",
        "revenue": "201.00",
        "average": "100.50",
        "largest": None,
        "smallest": None,
        "hours": None,
        "users": None,
        "vehicles": None,
        "first_day": "2026-11-01",
        "last_day": None,
    }
    assert answers["top_locations"][1][:4] == ("7", None, 'New "York", NY', "201.00")
    assert answers["vehicle_types"][1] == ("basic", "2", "201.00", None)
    assert answers["top_users"][1][:3] == ("0012", "201.00", "2")


def test_last_seven_days_are_compared(lake: Lake) -> None:
    week, week_types = build_week_queries(PUBLISHED_RUN, "2026-11-07T08:00:00.000000Z")
    header, values = lake.query(week.text, *week.parameters)
    assert dict(zip(header, values, strict=True)) == {
        "last_day": "2026-11-01",
        "later_rentals": "0",
        "rentals": "2",
        "revenue": "201.00",
        "users": "1",
        "days": "1",
        "rentals_before": "0",
        "revenue_before": "0.00",
        "users_before": "0",
        "days_before": "0",
    }
    rows = lake.query(week_types.text, *week_types.parameters)
    assert rows == [
        ("vehicle_type", "revenue", "revenue_before", "all_types"),
        ("unknown", "201.00", "0.00", "1"),
    ]


def test_rentals_after_the_claim_do_not_count(lake: Lake) -> None:
    week, week_types = build_week_queries(PUBLISHED_RUN, "2026-10-31T08:00:00.000000Z")
    _, values = lake.query(week.text, *week.parameters)
    assert values[:2] == (None, "2")
    assert lake.query(week_types.text, *week_types.parameters)[1:] == []


def test_days_of_two_runs_are_compared(lake: Lake) -> None:
    query = build_day_changes_query(OTHER_RUN, PUBLISHED_RUN)
    header, values = lake.query(query.text, *query.parameters)
    assert dict(zip(header, values, strict=True)) == {
        "day": "2026-11-01",
        "change": "changed",
        "rentals": "2",
        "revenue": "1999.98",
        "rentals_before": "2",
        "revenue_before": "201.00",
        "all_days": "1",
        "all_rentals": "0",
        "all_revenue": "1798.98",
        "previous_days": "1",
    }


def test_history_of_a_day_is_read_from_publication_records(lake: Lake) -> None:
    """The record of the published run has no list of days, like those of earlier releases."""
    figures = DayFigures(2, Decimal("1999.98"))
    changes = DayChanges(
        PUBLISHED_RUN,
        days=(DayChange("2026-11-01", "changed", figures, DayFigures(2, figures.revenue)),),
    )
    published_at = "2026-11-24T08:00:00.000000Z"
    lake.put_publication_record(OTHER_RUN, published_at, **changes.to_fields())
    try:
        query = build_day_history_query(date(2026, 11, 1))
        header, *rows = lake.query(query.text, *query.parameters)
    finally:
        lake.client("s3").delete_object(
            Bucket=lake.bucket, Key=publication_key(published_at, OTHER_RUN)
        )
    old, new = (dict(zip(header, row, strict=True)) for row in rows)
    assert (old["run_id"], old["listed_days"], old["change"]) == (PUBLISHED_RUN, None, None)
    assert (new["previous_run_id"], new["listed_days"]) == (PUBLISHED_RUN, "1")
    assert (new["change"], new["rentals"], new["revenue"]) == ("changed", "2", "1999.98")
