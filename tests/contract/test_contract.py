"""Tests of the contract's names, codes, reports, and storage layout."""

from __future__ import annotations

import json
import re
from decimal import Decimal

import pytest

from contract import codes, layout
from contract.datasets import DATASETS, LOCATIONS, RENTALS, USERS, VEHICLES
from contract.kpi_tables import KPI_TABLES
from contract.reports import (
    DatasetCounts,
    KpiReport,
    TableTotals,
    TransformationReport,
    format_money,
)


def test_reject_codes_of_rentals() -> None:
    columns = "rental_id user_id vehicle_id rental_start_time rental_end_time pickup_location"
    required = [*columns.split(), "total_amount"]
    assert codes.reject_codes(RENTALS) == tuple(
        sorted(
            [
                "malformed_row",
                "end_not_after_start",
                "duplicate_rental_id",
                "invalid_rental_start_time",
                "invalid_rental_end_time",
                "invalid_total_amount",
                *(f"missing_{name}" for name in required),
            ]
        )
    )


def test_only_columns_with_a_restricted_format_have_an_invalid_code() -> None:
    invalid = {
        dataset.name: [c for c in codes.reject_codes(dataset) if c.startswith("invalid")]
        for dataset in (USERS, VEHICLES, LOCATIONS)
    }
    assert invalid == {
        "users": ["invalid_creation_date", "invalid_driver_license_expiry", "invalid_is_active"],
        "vehicles": [
            "invalid_active",
            "invalid_certification_date",
            "invalid_expiration_date",
            "invalid_last_update_timestamp",
            "invalid_vehicle_year",
        ],
        "locations": ["invalid_latitude", "invalid_longitude", "invalid_zip_code"],
    }


def test_keys_are_required_columns() -> None:
    for dataset in DATASETS:
        assert dataset.key in {column.name for column in dataset.columns if column.required}


def test_sql_types_are_valid_in_spark_glue_and_athena() -> None:
    types = {sql_type for dataset in DATASETS for _, sql_type in dataset.curated_columns}
    types |= {sql_type for table in KPI_TABLES for _, sql_type in table.columns_for(True)}
    for sql_type in types:
        assert re.fullmatch(r"string|boolean|int|bigint|date|timestamp|decimal\(\d+,\d\)", sql_type)


def test_every_kpi_table_has_a_rental_count_and_a_revenue() -> None:
    for table in KPI_TABLES:
        types = dict(table.columns)
        assert types[table.count_column] == "bigint"
        assert types[table.revenue_column] == "decimal(18,2)"


@pytest.mark.parametrize("text", ["r", "20240101T000000Z", "a.b_c-1", "x" * 80])
def test_valid_run_id(text: str) -> None:
    assert layout.is_run_id(text)


@pytest.mark.parametrize("text", ["", ".", "../x", "a/b", "a=b", "a b", "x" * 81, "é", "a\n"])
def test_invalid_run_id(text: str) -> None:
    assert not layout.is_run_id(text)


@pytest.mark.parametrize(
    "key", ["raw/users.csv", "raw/2026-11/users.csv", "raw/März 東京/users.csv"]
)
def test_valid_upload_key(key: str) -> None:
    location = layout.parse_upload_key(key)
    assert location is not None
    assert (location.batch_prefix, location.dataset) == (key.removesuffix("users.csv"), USERS)


@pytest.mark.parametrize(
    "key",
    [
        "users.csv",
        "raw/Users.csv",
        "raw/a/b/users.csv",
        "raw//users.csv",
        "raw/users.csv\n",
        "raw/\nusers.csv",
        "raw/two\nlines/users.csv",
        "raw/a\x1b[31mb/users.csv",
        "raw/a\x00b/users.csv",
        "raw/a\x85b/users.csv",
        "raw/a\u2028b/users.csv",
        "raw/gpj.\u202eexe/users.csv",
        "raw/\u2066a/users.csv",
        "raw/a\u200fb/users.csv",
        "raw/a\ud800b/users.csv",
    ],
)
def test_invalid_upload_key(key: str) -> None:
    assert layout.parse_upload_key(key) is None


def test_storage_layout() -> None:
    assert layout.curated_prefix(USERS, "r1") == "output/users/run_id=r1"
    assert layout.quarantine_prefix(RENTALS, "r1") == "quarantine/rentals/run_id=r1"
    assert layout.kpi_prefix(KPI_TABLES[0], "r1") == "kpi_output/location_metrics/run_id=r1"
    assert layout.job_report_key(layout.TRANSFORMATION_JOB, "r1") == "runs/r1/transformation.json"
    assert (
        layout.join_uri("s3://bucket/", "x")
        == layout.join_uri("s3://bucket", "x")
        == "s3://bucket/x"
    )


def test_report_files() -> None:
    counts = DatasetCounts(read=3, accepted=2, rejected=1, reasons={"malformed_row": 1})
    report = TransformationReport("r1", {"users": counts}, {"unknown_user": 0}, format_money(None))
    assert json.loads(report.to_json()) == {
        "run_id": "r1",
        "datasets": {
            "users": {"read": 3, "accepted": 2, "rejected": 1, "reasons": {"malformed_row": 1}}
        },
        "warnings": {"unknown_user": 0},
        "accepted_revenue": "0.00",
    }
    totals = TableTotals(rows=1, total_transactions=2, total_revenue=format_money(Decimal("3.5")))
    kpi_report = KpiReport("r1", {"daily_metrics": totals}, problem="none")
    assert json.loads(kpi_report.to_json()) == {
        "run_id": "r1",
        "tables": {"daily_metrics": {"rows": 1, "total_transactions": 2, "total_revenue": "3.50"}},
        "problem": "none",
    }
