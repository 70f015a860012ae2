"""Spark job that computes the KPI tables from the accepted rentals of a batch.

Usage:
    spark-submit --py-files jobs.zip kpis.py --input URI --output URI --run-id ID [--personal-data]
    spark-submit --py-files jobs.zip kpis.py --input URI --output URI --run-id ID --curated

Without `--curated`, the job cleans the raw files itself and does not depend on the transformation
job, which runs at the same time. With `--curated`, it reads the rows that the transformation job
accepted in the same run.
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
from contract.reports import KpiReport, TableTotals, describe_no_accepted_rows, format_money
from spark import kpi_tables, storage
from spark.cleaning.cleaned_dataset import FileCleaner
from spark.concurrency import run_concurrently
from spark.errors import InputError
from spark.job import JobArgumentParser, ProgressLog, require_new_run, run_job
from spark.reading.csv_reader import get_input_size, read_headers
from spark.session import set_shuffle_partitions
from spark.tables import RowCounter, cast_to_schema, write_table

PROGRAM = "kpis"

_CSV_BYTES_PER_PARQUET_BYTE = 2

AcceptedRowsReader = Callable[[Dataset], DataFrame]

_NEEDED_COLUMNS = {
    RENTALS: (
        "user_id",
        "vehicle_id",
        "rental_start_time",
        "rental_end_time",
        "pickup_location",
        "total_amount",
    ),
    LOCATIONS: ("location_id", "location_name", "city", "state"),
    VEHICLES: ("vehicle_id", "vehicle_type", "brand"),
    USERS: ("user_id", "first_name", "last_name", "email"),
}
"""The columns of the input files that the tables need."""


def compute_kpis(spark: SparkSession, options: argparse.Namespace) -> None:
    """Write the KPI tables and the report of a run.

    Args:
        spark: The Spark session.
        options: The arguments that `build_parser` defines.

    Raises:
        InputError: The input is invalid, the run already has KPIs, or `--curated` is given and the
            transformation job of the run is not complete.
    """
    run_id, output = options.run_id, options.output
    report_uri = layout.join_uri(output, layout.job_report_key(layout.KPI_JOB, run_id))
    if options.curated:
        read_accepted = _curated_rows_reader(spark, output, run_id)
        # The run may have KPIs already. Without a report, it is incomplete until all of its tables
        # are rewritten.
        storage.delete(spark, report_uri)
    else:
        require_new_run(spark, output, run_id, layout.KPI_JOB)
        read_accepted = _raw_rows_reader(spark, options.input)

    progress = ProgressLog(PROGRAM, phases=len(KPI_TABLES) + 1)
    progress.start_phase("reading and summarizing rentals")
    tables = _build_tables(read_accepted, options.personal_data)

    def write(table: KpiTable) -> TableTotals:
        progress.start_phase(table.name)
        rows = cast_to_schema(tables[table], table.columns_for(options.personal_data))
        uri = layout.join_uri(output, layout.kpi_prefix(table, run_id))
        return _write_and_count(rows, table, uri)

    names = [table.name for table in KPI_TABLES]
    totals = dict(zip(names, run_concurrently(write, KPI_TABLES)))
    report = KpiReport(
        run_id=run_id,
        tables=totals,
        problem=None if _require_equal_totals(totals) else describe_no_accepted_rows(RENTALS),
    )
    storage.write_text(spark, report_uri, report.to_json())


def _raw_rows_reader(spark: SparkSession, folder: str) -> AcceptedRowsReader:
    headers = read_headers(spark, folder, DATASETS)
    set_shuffle_partitions(spark, get_input_size(spark, folder))

    def read_accepted(dataset: Dataset) -> DataFrame:
        columns = _NEEDED_COLUMNS[dataset]
        return FileCleaner(spark, folder, dataset, headers[dataset], columns).clean().accepted

    return read_accepted


def _curated_rows_reader(spark: SparkSession, output: str, run_id: str) -> AcceptedRowsReader:
    report_uri = layout.join_uri(output, layout.job_report_key(layout.TRANSFORMATION_JOB, run_id))
    if not storage.is_file(spark, report_uri):
        raise InputError(
            f"the transformation job of run {run_id} is not complete in {output}; "
            "run transformation_job first"
        )

    rentals_uri = layout.join_uri(output, layout.curated_prefix(RENTALS, run_id))
    curated_bytes = storage.get_size(spark, rentals_uri)
    set_shuffle_partitions(spark, _CSV_BYTES_PER_PARQUET_BYTE * curated_bytes)

    def read_accepted(dataset: Dataset) -> DataFrame:
        return spark.read.parquet(layout.join_uri(output, layout.curated_prefix(dataset, run_id)))

    return read_accepted


def _build_tables(
    read_accepted: AcceptedRowsReader, personal_data: bool
) -> dict[KpiTable, DataFrame]:
    datasets = [RENTALS, LOCATIONS, VEHICLES, *([USERS] if personal_data else [])]
    accepted = dict(zip(datasets, run_concurrently(read_accepted, datasets)))
    summaries = kpi_tables.summarize(accepted[RENTALS].select(*kpi_tables.RENTAL_COLUMNS))
    # Each summary is read by several tables.
    summaries.users_and_days.persist()
    summaries.vehicles_and_locations.persist()
    users = kpi_tables.user_metrics(summaries)
    if personal_data:
        users = kpi_tables.add_personal_data(users, accepted[USERS])
    return {
        LOCATION_METRICS: kpi_tables.location_metrics(summaries, accepted[LOCATIONS]),
        VEHICLE_METRICS: kpi_tables.vehicle_metrics(summaries, accepted[VEHICLES]),
        DAILY_METRICS: kpi_tables.daily_metrics(summaries),
        TRANSACTION_METRICS: kpi_tables.transaction_metrics(summaries),
        USER_METRICS: users,
    }


def _write_and_count(rows: DataFrame, table: KpiTable, uri: str) -> TableTotals:
    counter = RowCounter(
        F.sum(table.count_column).alias("transactions"),
        F.sum(table.revenue_column).alias("revenue"),
    )
    write_table(counter.observe(rows), uri)
    counts = counter.counts
    return TableTotals(
        rows=counts["rows"],
        total_transactions=counts["transactions"] or 0,
        total_revenue=format_money(counts["revenue"]),
    )


def _require_equal_totals(totals: dict[str, TableTotals]) -> int:
    """Check that all KPI tables have the same totals, and return their number of rentals.

    Raises:
        RuntimeError: The tables have different totals, which is a bug in the job.
    """
    distinct = {(table.total_transactions, table.total_revenue) for table in totals.values()}
    if len(distinct) != 1:
        raise RuntimeError(
            f"the KPI tables have different totals: {totals}. This is a bug in the job: report it"
            " with the log"
        )
    return distinct.pop()[0]


def build_parser() -> JobArgumentParser:
    """Return the parser of the job's arguments."""
    parser = JobArgumentParser(PROGRAM, "Compute the KPI tables of a batch.")
    parser.add_argument(
        "--curated",
        action="store_true",
        help="read the accepted rows of the run instead of the raw files",
    )
    parser.add_argument(
        "--personal-data",
        action="store_true",
        help="add names and email addresses to user_metrics",
    )
    return parser


if __name__ == "__main__":
    run_job(build_parser(), compute_kpis)
