"""The second baseline of the job benchmark: the work of `plain_jobs.py`, done by DuckDB.

Usage:
    python duckdb_jobs.py INPUT_DIR OUTPUT_DIR
"""

from __future__ import annotations

import sys
from pathlib import Path

import duckdb

_TABLES = {
    "users": "SELECT * FROM '{source}/users.csv' WHERE user_id IS NOT NULL AND email IS NOT NULL",
    "locations": "SELECT * FROM '{source}/locations.csv' WHERE location_id IS NOT NULL",
    "vehicles": "SELECT * FROM '{source}/vehicles.csv' WHERE vehicle_id IS NOT NULL",
    "rentals": """
        SELECT *, epoch(rental_end_time - rental_start_time) AS seconds,
            round(epoch(rental_end_time - rental_start_time) / 3600, 2) AS hours,
            rental_start_time::DATE AS day
        FROM '{source}/rental_transactions.csv'
        WHERE rental_id IS NOT NULL AND user_id IS NOT NULL AND vehicle_id IS NOT NULL
            AND total_amount >= 0 AND rental_end_time > rental_start_time""",
}
_MEASURES = """sum(total_amount) AS revenue, count(*) AS rentals, avg(total_amount) AS average,
    max(total_amount) AS largest, min(total_amount) AS smallest, sum(hours) AS total_hours"""
_KPIS = {
    "location_metrics": """
        SELECT location_id, location_name, city, state, {measures}, count(DISTINCT vehicle_id) AS n
        FROM '{target}/rentals.parquet' r
        JOIN '{target}/locations.parquet' l ON r.pickup_location = l.location_id
        GROUP BY ALL""",
    "vehicle_metrics": """
        SELECT vehicle_type, brand, {measures}, count(DISTINCT vehicle_id) AS n
        FROM '{target}/rentals.parquet' JOIN '{target}/vehicles.parquet' USING (vehicle_id)
        GROUP BY ALL""",
    "daily_metrics": """
        SELECT day, {measures}, count(DISTINCT user_id) AS n
        FROM '{target}/rentals.parquet' GROUP BY ALL""",
    "transaction_metrics": """
        SELECT {measures}, count(DISTINCT user_id) AS users, count(DISTINCT vehicle_id) AS vehicles
        FROM '{target}/rentals.parquet'""",
    "user_metrics": """
        SELECT user_id, first_name, last_name, email, {measures}
        FROM '{target}/rentals.parquet' JOIN '{target}/users.parquet' USING (user_id)
        GROUP BY ALL""",
}


def main() -> None:
    """Convert the four files to Parquet and compute the KPI tables."""
    source, target = map(Path, sys.argv[1:])
    target.mkdir(parents=True)
    with duckdb.connect() as database:
        for name, query in (_TABLES | _KPIS).items():
            sql = query.format(source=source, target=target, measures=_MEASURES)
            database.execute(f"COPY ({sql}) TO '{target}/{name}.parquet' (FORMAT parquet)")


if __name__ == "__main__":
    main()
