"""Finished runs of the real data, or of a part of it, for tests of publication.

The tables are computed from the files by DuckDB, independently of the jobs. All rows of the real
data are accepted.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path

from contract.codes import WARNINGS
from contract.datasets import DATASETS, RENTALS
from contract.kpi_tables import KPI_TABLES
from contract.reports import DatasetCounts, KpiReport, TableTotals, TransformationReport
from tests.functional.conftest import Cloud
from tests.support.athena import FakeAthena
from tests.support.runs import put_reports

# Facts about the real data: `shared/data/README.md`.
REAL_WARNINGS = {
    "rental_before_signup": 9_880,
    "inactive_user": 4_083,
    "overlapping_vehicle_rental": 34,
}
_RENTALS = """
INSERT INTO history_rentals
    (rental_id, user_id, vehicle_id, pickup_location, rental_date, total_amount, run_id)
SELECT rental_id, user_id, vehicle_id, pickup_location, CAST(rental_start_time[:10] AS date),
    total_amount, $run_id
FROM read_csv($file, all_varchar=true) WHERE rental_start_time[:10] <= $last_day
"""
_DIMENSIONS = {
    "users": "user_id",
    "vehicles": "vehicle_id, vehicle_type",
    "locations": "location_id, location_name, city",
}
_TABLES = {
    "location_metrics": """
        (location_id, location_name, city, total_transactions, total_revenue)
        SELECT pickup_location, location_name, city, COUNT(*), SUM(total_amount)
        FROM run_rentals LEFT JOIN run_locations ON pickup_location = location_id
        GROUP BY ALL
    """,
    "vehicle_metrics": """
        (vehicle_type, total_rentals, total_revenue)
        SELECT vehicle_type, COUNT(*), SUM(total_amount)
        FROM run_rentals LEFT JOIN run_vehicles USING (vehicle_id) GROUP BY ALL
    """,
    "daily_metrics": """
        (rental_date, total_transactions, total_revenue, unique_users)
        SELECT rental_date, COUNT(*), SUM(total_amount), COUNT(DISTINCT user_id)
        FROM run_rentals GROUP BY ALL
    """,
    "transaction_metrics": """
        (total_transactions, total_revenue, first_rental_date, last_rental_date)
        SELECT COUNT(*), SUM(total_amount), MIN(rental_date), MAX(rental_date) FROM run_rentals
    """,
    "user_metrics": """
        (user_id, total_transactions, total_spending)
        SELECT user_id, COUNT(*), SUM(total_amount) FROM run_rentals GROUP BY ALL
    """,
}


def finish_real_run(
    cloud: Cloud, athena: FakeAthena, folder: Path, run_id: str, last_day: date
) -> None:
    """Write and catalog the results of a run of the rentals until a day.

    Args:
        cloud: The cloud with the bucket.
        athena: The Athena with the catalog.
        folder: The folder with the four files.
        run_id: ID of the run.
        last_day: The last day whose rentals are part of the input.
    """
    database = athena.database
    database.execute(
        _RENTALS,
        {
            "run_id": run_id,
            "file": str(folder / RENTALS.file),
            "last_day": last_day.isoformat(),
        },
    )
    for name, columns in _DIMENSIONS.items():
        database.execute(
            f"INSERT INTO history_{name} ({columns}, run_id)"  # noqa: S608
            f" SELECT {columns}, $run_id FROM read_csv($file, all_varchar=true)",
            {"run_id": run_id, "file": str(folder / f"{name}.csv")},
        )
    for dataset in DATASETS:
        database.execute(
            f"CREATE OR REPLACE VIEW run_{dataset.name} AS"  # noqa: S608
            f" SELECT * EXCLUDE (run_id) FROM history_{dataset.name} WHERE run_id = '{run_id}'"
        )
    for table, query in _TABLES.items():
        columns, _, select = query.partition("SELECT")
        columns = columns.strip().removesuffix(")")
        database.execute(
            f"INSERT INTO history_{table} {columns}, run_id)"  # noqa: S608
            f" SELECT *, '{run_id}' FROM (SELECT {select})"
        )
    put_reports(cloud, *_create_reports(athena, run_id), run_id)


def _create_reports(athena: FakeAthena, run_id: str) -> tuple[TransformationReport, KpiReport]:
    def count(table: str) -> int:
        [(rows,)] = athena.database.execute(
            f"SELECT COUNT(*) FROM history_{table} WHERE run_id = ?",  # noqa: S608
            [run_id],
        ).fetchall()
        return int(rows)

    [(revenue,)] = athena.database.execute(
        "SELECT SUM(total_amount) FROM history_rentals WHERE run_id = ?", [run_id]
    ).fetchall()
    counts = {dataset.name: count(dataset.name) for dataset in DATASETS}
    return (
        TransformationReport(
            run_id,
            {name: DatasetCounts(rows, rows, 0, {}) for name, rows in counts.items()},
            {**dict.fromkeys(WARNINGS, 0), **REAL_WARNINGS},
            str(revenue),
        ),
        KpiReport(
            run_id,
            {
                table.name: TableTotals(count(table.name), counts[RENTALS.name], str(revenue))
                for table in KPI_TABLES
            },
        ),
    )
