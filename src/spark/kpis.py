"""Spark job: the accepted rentals of a batch to the KPI tables.

    spark-submit --py-files jobs.zip kpis.py --input URI --output URI --run-id ID [--personal-data]
    spark-submit --py-files jobs.zip kpis.py --input URI --output URI --run-id ID --curated

Without `--curated` it cleans the raw files itself and needs nothing of the other job, which runs at
the same time. With it, it reads what that job accepted in the run.
"""

from __future__ import annotations

import argparse
from typing import Callable

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from contract import layout
from contract.datasets import DATASETS, LOCATIONS, RENTALS, USERS, VEHICLES, Dataset
from contract.kpi_tables import (
    DAILY_METRICS,
    KPI_TABLES,
    LOCATION_METRICS,
    TRANSACTION_METRICS,
    USER_METRICS,
    VEHICLE_METRICS,
    KpiTable,
)
from contract.reports import NO_ACCEPTED_RENTAL, KpiReport, TableTotals, format_money
from spark import kpi_tables, storage
from spark.cleaning.rows import accepted, validated
from spark.errors import InputError
from spark.job import Parser, Progress, require_new, run_job
from spark.reading.csv_reader import read_headers, read_rows
from spark.tables import RowCounter, cast_to_schema, write

PROGRAM = "kpis"

AcceptedRows = Callable[[Dataset], DataFrame]


def compute_kpis(spark: SparkSession, options: argparse.Namespace) -> None:
    """Write the KPI tables of a run below `options.output`, from its raw or its curated rows."""
    run_id, output = options.run_id, options.output
    report_uri = layout.join_uri(output, layout.job_report_key(layout.KPI_JOB, run_id))
    if options.curated:
        rows_of = _curated_rows(spark, output, run_id)
        # New definitions over an old run: until its tables are whole again it has no report.
        storage.delete(spark, report_uri)
    else:
        require_new(spark, output, run_id, layout.KPI_JOB)
        rows_of = _cleaned_rows(spark, options.input)

    progress = Progress(PROGRAM, steps=len(KPI_TABLES))
    totals = {}
    for table, rows in _tables(rows_of, options.personal_data).items():
        progress.begin(table.name)
        columns = table.columns_for(options.personal_data)
        uri = layout.join_uri(output, layout.kpi_prefix(table, run_id))
        totals[table.name] = _write_counted(cast_to_schema(rows, columns), table, uri)
    report = KpiReport(
        run_id=run_id,
        tables=totals,
        problem=None if _require_equal(totals) else NO_ACCEPTED_RENTAL,
    )
    storage.write_text(spark, report_uri, report.to_json())


def _cleaned_rows(spark: SparkSession, folder: str) -> AcceptedRows:
    headers = read_headers(spark, folder, DATASETS)

    def rows_of(dataset: Dataset) -> DataFrame:
        raw = read_rows(spark, folder, dataset, headers[dataset])
        return raw.transform(validated(dataset)).transform(accepted(dataset))

    return rows_of


def _curated_rows(spark: SparkSession, output: str, run_id: str) -> AcceptedRows:
    done = layout.join_uri(output, layout.job_report_key(layout.TRANSFORMATION_JOB, run_id))
    if not storage.is_file(spark, done):
        raise InputError(f"run {run_id} has no finished transformation in {output}")

    def rows_of(dataset: Dataset) -> DataFrame:
        return spark.read.parquet(layout.join_uri(output, layout.curated_prefix(dataset, run_id)))

    return rows_of


def _tables(rows_of: AcceptedRows, personal_data: bool) -> dict[KpiTable, DataFrame]:
    # Kept after the first table has read and cleaned it, so the others do not.
    rentals = rows_of(RENTALS).select(*kpi_tables.RENTAL_COLUMNS).persist()
    users = kpi_tables.user_metrics(rentals)
    return {
        LOCATION_METRICS: kpi_tables.location_metrics(rentals, rows_of(LOCATIONS)),
        VEHICLE_METRICS: kpi_tables.vehicle_metrics(rentals, rows_of(VEHICLES)),
        DAILY_METRICS: kpi_tables.daily_metrics(rentals),
        TRANSACTION_METRICS: kpi_tables.transaction_metrics(rentals),
        USER_METRICS: kpi_tables.with_names(users, rows_of(USERS)) if personal_data else users,
    }


def _write_counted(rows: DataFrame, table: KpiTable, uri: str) -> TableTotals:
    counter = RowCounter(
        F.count(F.lit(1)).alias("rows"),
        F.sum(table.count_column).alias("transactions"),
        F.sum(table.revenue_column).alias("revenue"),
    )
    write(counter.watch(rows), uri)
    counts = counter.counts
    return TableTotals(
        rows=counts["rows"],
        total_transactions=counts["transactions"] or 0,
        total_revenue=format_money(counts["revenue"]),
    )


def _require_equal(totals: dict[str, TableTotals]) -> int:
    """The number of rentals that every table adds up to; an error of ours if they differ."""
    sums = {(total.total_transactions, total.total_revenue) for total in totals.values()}
    if len(sums) != 1:
        raise RuntimeError(f"the tables do not add up to the same rentals: {totals}")
    return sums.pop()[0]


def arguments() -> Parser:
    """The job's arguments."""
    parser = Parser(PROGRAM, "Compute the KPI tables of a batch.")
    parser.add_argument(
        "--curated", action="store_true", help="read the run's accepted rows, not the raw files"
    )
    parser.add_argument(
        "--personal-data", action="store_true", help="add names and emails to user_metrics"
    )
    return parser


if __name__ == "__main__":
    run_job(arguments(), compute_kpis)
