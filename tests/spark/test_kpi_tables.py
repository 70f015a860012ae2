"""Tests of the KPI tables with small explicit DataFrames."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from contract.datasets import RENTALS
from contract.kpi_tables import KPI_TABLES, VEHICLE_METRICS
from spark import kpi_tables
from spark.tables import cast_to_schema

DAY = date(2024, 5, 31)


@pytest.fixture
def frames(spark: SparkSession) -> dict[str, DataFrame]:
    types = dict(RENTALS.curated_columns)
    schema = ", ".join(f"{name} {types[name]}" for name in kpi_tables.RENTAL_COLUMNS)
    rentals: list[tuple[Any, ...]] = [
        ("u1", "v1", "l1", DAY, Decimal("0.01"), 1, Decimal("0.00")),
        ("u1", "v2", "l1", DAY, Decimal("0.02"), 17, Decimal("0.00")),
        ("u2", "v9", "l9", DAY, Decimal("10.00"), 3600, Decimal("1.00")),
    ]
    return {
        "rentals": spark.createDataFrame(rentals, schema),
        "vehicles": spark.createDataFrame(
            [("v1", "basic", "Kia"), ("v2", "basic", "Kia"), ("v3", "premium", "BMW")],
            "vehicle_id string, vehicle_type string, brand string",
        ),
        "locations": spark.createDataFrame(
            [("l1", "Bean LLC", "Fontana", "CA")],
            "location_id string, location_name string, city string, state string",
        ),
        "users": spark.createDataFrame(
            [("u1", "Ann", None, "a@b.c")],
            "user_id string, first_name string, last_name string, email string",
        ),
    }


def _summarize(frames: dict[str, DataFrame]) -> kpi_tables.Summaries:
    return kpi_tables.summarize(frames["rentals"])


def _rows(table: DataFrame, *columns: str) -> set[tuple[Any, ...]]:
    return {tuple(row) for row in table.select(*columns).collect()}


def test_unknown_vehicles_share_one_row_and_keep_their_revenue(
    frames: dict[str, DataFrame],
) -> None:
    table = kpi_tables.vehicle_metrics(_summarize(frames), frames["vehicles"])
    columns = ("vehicle_type", "brand", "total_revenue", "total_rentals", "unique_vehicles")
    assert _rows(table, *columns) == {
        ("basic", "Kia", Decimal("0.03"), 2, 2),
        ("unknown", "unknown", Decimal("10.00"), 1, 1),
    }


def test_average_is_rounded_half_up_and_hours_are_rounded_after_summing(
    frames: dict[str, DataFrame],
) -> None:
    table = kpi_tables.vehicle_metrics(_summarize(frames), frames["vehicles"])
    basic = cast_to_schema(table, VEHICLE_METRICS.columns).where("brand = 'Kia'")
    # 0.03 / 2 = 0.015. 18 s are 0.005 h, although the hours of each single rental are 0.00.
    columns = ("average_transaction", "total_rental_hours", "avg_rental_duration")
    assert _rows(basic, *columns) == {(Decimal("0.02"), Decimal("0.01"), Decimal("0.00"))}


def test_unknown_location_has_a_row(frames: dict[str, DataFrame]) -> None:
    table = kpi_tables.location_metrics(_summarize(frames), frames["locations"])
    assert _rows(table, "location_id", "location_name", "city", "state", "total_transactions") == {
        ("l1", "Bean LLC", "Fontana", "CA", 2),
        ("l9", None, None, None, 1),
    }


def test_personal_data_is_null_for_unknown_users(frames: dict[str, DataFrame]) -> None:
    users = kpi_tables.add_personal_data(
        kpi_tables.user_metrics(_summarize(frames)), frames["users"]
    )
    assert _rows(users, "user_id", "total_spending", "first_name", "last_name", "email") == {
        ("u1", Decimal("0.03"), "Ann", None, "a@b.c"),
        ("u2", Decimal("10.00"), None, None, None),
    }


def test_tables_without_rentals(frames: dict[str, DataFrame]) -> None:
    no_rentals = kpi_tables.summarize(frames["rentals"].limit(0))
    [run] = kpi_tables.transaction_metrics(no_rentals).collect()
    assert set(run.asDict().values()) == {0, None}
    assert run["total_revenue"] == 0
    assert run["average_transaction"] is None
    assert _rows(kpi_tables.daily_metrics(no_rentals)) == set()


def test_tables_have_the_columns_of_the_contract(frames: dict[str, DataFrame]) -> None:
    summaries = _summarize(frames)
    tables = [
        kpi_tables.location_metrics(summaries, frames["locations"]),
        kpi_tables.vehicle_metrics(summaries, frames["vehicles"]),
        kpi_tables.daily_metrics(summaries),
        kpi_tables.transaction_metrics(summaries),
        kpi_tables.user_metrics(summaries),
    ]
    for definition, table in zip(KPI_TABLES, tables, strict=True):
        assert set(table.columns) == {name for name, _ in definition.columns}
        cast_to_schema(table, definition.columns)
