"""A small finished run: its job reports in the bucket, and its rows in the catalog."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from contract.codes import WARNINGS
from contract.kpi_tables import KPI_TABLES
from contract.layout import KPI_JOB, TRANSFORMATION_JOB, job_report_key
from contract.reports import DatasetCounts, KpiReport, TableTotals, TransformationReport
from tests.functional.conftest import Cloud
from tests.support.athena import FakeAthena

RUN_ID = "2026-11-0123456789abcdef0123"
CLAIMED_AT = "2026-11-23T08:00:00.000000Z"
KPI_ROW_COUNTS = {
    "location_metrics": 2,
    "vehicle_metrics": 2,
    "daily_metrics": 2,
    "transaction_metrics": 1,
    "user_metrics": 2,
}


def create_transformation_report(run_id: str = RUN_ID) -> TransformationReport:
    """Return a report of four rentals: three accepted (600.50), one rejected for two reasons."""
    return TransformationReport(
        run_id=run_id,
        datasets={
            "users": DatasetCounts(2, 2, 0, {}),
            "vehicles": DatasetCounts(2, 2, 0, {}),
            "locations": DatasetCounts(3, 2, 1, {"invalid_zip_code": 1}),
            "rentals": DatasetCounts(4, 3, 1, {"missing_user_id": 1, "end_not_after_start": 1}),
        },
        warnings={**dict.fromkeys(WARNINGS, 0), "unknown_vehicle": 1},
        accepted_revenue="600.50",
    )


def create_kpi_report(run_id: str = RUN_ID) -> KpiReport:
    """Return a report in which every table contains the three accepted rentals."""
    return KpiReport(
        run_id, {name: TableTotals(rows, 3, "600.50") for name, rows in KPI_ROW_COUNTS.items()}
    )


def put_reports(
    cloud: Cloud, transformation: TransformationReport, kpis: KpiReport, run_id: str = RUN_ID
) -> None:
    cloud.put(job_report_key(TRANSFORMATION_JOB, run_id), transformation.to_json().encode())
    cloud.put(job_report_key(KPI_JOB, run_id), kpis.to_json().encode())


def replace_dataset_counts(
    report: TransformationReport, dataset: str, **counts: Any
) -> TransformationReport:
    """Return the report with other counts for one dataset."""
    new_counts = replace(report.datasets[dataset], **counts)
    return replace(report, datasets={**report.datasets, dataset: new_counts})


def replace_table_totals(report: KpiReport, table: str, **totals: Any) -> KpiReport:
    """Return the report with other totals for one table."""
    new_totals = replace(report.tables[table], **totals)
    return replace(report, tables={**report.tables, table: new_totals})


def finish_run(
    cloud: Cloud, athena: FakeAthena, run_id: str = RUN_ID, average: str = "200.17"
) -> None:
    """Write and catalog the results of a run. Its average transaction distinguishes it."""
    put_reports(cloud, create_transformation_report(run_id), create_kpi_report(run_id), run_id)
    catalog_run(athena, run_id, Decimal(average))


def catalog_run(athena: FakeAthena, run_id: str, average: Decimal) -> None:
    """Add the rows of a run to the catalog, as the crawler does."""
    athena.add(
        "users", run_id, [{"user_id": f"u{n}", "email": f"private{n}@example.com"} for n in (1, 2)]
    )
    athena.add(
        "vehicles",
        run_id,
        [{"vehicle_id": f"v{n}", "brand": "Brand", "vehicle_type": "basic"} for n in (1, 2)],
    )
    athena.add("locations", run_id, [{"location_id": f"l{n}", "city": "City"} for n in (1, 2)])
    for number, amount in enumerate(("100.00", "200.25", "300.25")):
        athena.add(
            "rentals",
            run_id,
            [
                {
                    "rental_id": f"r{number}",
                    "user_id": "u1",
                    "vehicle_id": f"v{number}",
                    "rental_start_time": datetime(2026, 11, 1, number, 0),  # noqa: DTZ001
                    "rental_date": date(2026, 11, 1 + min(number, 1)),
                    "total_amount": Decimal(amount),
                }
            ],
        )
    for name, rows in _kpi_rows().items():
        athena.add(name, run_id, [{**row, "average_transaction": average} for row in rows])


def _kpi_rows() -> dict[str, list[dict[str, Any]]]:
    parts = ((1, Decimal("100.00")), (2, Decimal("500.50")))
    rows: dict[str, list[dict[str, Any]]] = {
        "location_metrics": [
            {"location_id": "l1", "location_name": "Harbor", "city": "Bergen"},
            {"location_id": "l2"},
        ],
        "vehicle_metrics": [
            {"vehicle_type": "basic", "brand": "Volvo"},
            {"vehicle_type": "premium", "brand": "Saab"},
        ],
        "daily_metrics": [
            {"rental_date": date(2026, 11, 1)},
            {"rental_date": date(2026, 11, 2)},
        ],
        "user_metrics": [
            {"user_id": "u1", "first_name": "Ada", "email": "ada@example.com"},
            {"user_id": "u2", "first_name": "Alan", "email": "alan@example.com"},
        ],
    }
    for table in KPI_TABLES:
        for row, (rentals, revenue) in zip(rows.get(table.name, ()), parts, strict=False):
            row |= {table.count_column: rentals, table.revenue_column: revenue}
    rows["transaction_metrics"] = [
        {
            "total_transactions": 3,
            "total_revenue": Decimal("600.50"),
            "unique_users": 2,
            "first_rental_date": date(2026, 11, 1),
            "last_rental_date": date(2026, 11, 2),
        }
    ]
    return rows
