"""A small run as the jobs leave it: reports in the bucket, rows in the catalogue."""

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

RUN = "2026-11-0123456789abcdef0123"
CLAIMED_AT = "2026-11-23T08:00:00.000000Z"
ROWS_OF_KPIS = {
    "location_metrics": 2,
    "vehicle_metrics": 2,
    "daily_metrics": 2,
    "transaction_metrics": 1,
    "user_metrics": 2,
}


def transformation_report(run_id: str = RUN) -> TransformationReport:
    """Three rentals of 600.50 in all were accepted, one of four was rejected for two reasons."""
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


def kpi_report(run_id: str = RUN) -> KpiReport:
    """Every table adds up to the three rentals."""
    return KpiReport(
        run_id, {name: TableTotals(rows, 3, "600.50") for name, rows in ROWS_OF_KPIS.items()}
    )


def put_reports(
    cloud: Cloud, transformation: TransformationReport, kpis: KpiReport, run_id: str = RUN
) -> None:
    cloud.put(job_report_key(TRANSFORMATION_JOB, run_id), transformation.to_json().encode())
    cloud.put(job_report_key(KPI_JOB, run_id), kpis.to_json().encode())


def changed_dataset(
    job_report_key: TransformationReport, dataset: str, **counts: Any
) -> TransformationReport:
    """The report with other counts of one dataset."""
    changed = replace(job_report_key.datasets[dataset], **counts)
    return replace(job_report_key, datasets={**job_report_key.datasets, dataset: changed})


def changed_table(job_report_key: KpiReport, table: str, **totals: Any) -> KpiReport:
    """The report with other totals of one table."""
    changed = replace(job_report_key.tables[table], **totals)
    return replace(job_report_key, tables={**job_report_key.tables, table: changed})


def finish_run(
    cloud: Cloud, athena: FakeAthena, run_id: str = RUN, average: str = "200.17"
) -> None:
    """Leave the run as both jobs and the crawler do; by their `average` runs can be told apart."""
    put_reports(cloud, transformation_report(run_id), kpi_report(run_id), run_id)
    catalogue(athena, run_id, Decimal(average))


def catalogue(athena: FakeAthena, run_id: str, average: Decimal) -> None:
    """What the crawler finds of the run."""
    athena.add(
        "users", run_id, [{"user_id": f"u{n}", "email": f"private{n}@example.com"} for n in (1, 2)]
    )
    athena.add("vehicles", run_id, [{"vehicle_id": f"v{n}", "brand": "Brand"} for n in (1, 2)])
    athena.add("locations", run_id, [{"location_id": f"l{n}", "city": "City"} for n in (1, 2)])
    for number, amount in enumerate(("100.00", "200.25", "300.25")):
        athena.add(
            "rentals",
            run_id,
            [
                {
                    "rental_id": f"r{number}",
                    "user_id": "u1",
                    "rental_start_time": datetime(2026, 11, 1, number, 0),  # noqa: DTZ001
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
            {"location_id": "l1", "location_name": "Harbour", "city": "Bergen"},
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
