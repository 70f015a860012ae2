"""Spark job that splits the four raw CSV files into accepted and rejected rows, and counts both.

Usage:
    spark-submit --py-files jobs.zip transformation_job.py --input URI --output URI --run-id ID
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from decimal import Decimal

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from contract import codes, layout
from contract.datasets import DATASETS, LOCATIONS, RENTALS, USERS, VEHICLES, Dataset
from contract.reports import (
    DatasetCounts,
    TransformationReport,
    describe_no_accepted_rows,
    format_money,
    join_problems,
)
from spark import storage
from spark.cleaning.checked_records import REASONS
from spark.cleaning.cleaned_dataset import CleanedDataset, FileCleaner
from spark.cleaning.rental_warnings import count_warnings
from spark.concurrency import run_concurrently
from spark.job import JobArgumentParser, ProgressLog, require_new_run, run_job
from spark.reading.csv_reader import get_input_size, read_headers
from spark.session import set_shuffle_partitions
from spark.tables import RowCounter, cast_to_schema, read_single_row, write_table

PROGRAM = "transformation_job"


def transform_batch(spark: SparkSession, options: argparse.Namespace) -> None:
    """Write the accepted rows, the rejected rows, and the report of a run.

    Args:
        spark: The Spark session.
        options: The arguments that `JobArgumentParser` defines.

    Raises:
        InputError: The input is invalid, or the run is already complete.
    """
    run_id, output = options.run_id, options.output
    require_new_run(spark, output, run_id, layout.TRANSFORMATION_JOB)
    headers = read_headers(spark, options.input, DATASETS)
    set_shuffle_partitions(spark, get_input_size(spark, options.input))
    progress = ProgressLog(PROGRAM, phases=2 * len(DATASETS) + 1)

    def transform(dataset: Dataset) -> _WrittenDataset:
        progress.start_phase(f"{dataset.name}: reading and cleaning")
        cleaned = FileCleaner(spark, options.input, dataset, headers[dataset]).clean()
        progress.start_phase(f"{dataset.name}: writing")
        written = _write_dataset(cleaned, dataset, output, run_id)
        cleaned.unpersist()
        return written

    written = dict(zip(DATASETS, run_concurrently(transform, DATASETS)))
    progress.start_phase("counting warnings")
    report = TransformationReport(
        run_id=run_id,
        datasets={dataset.name: written[dataset].counts for dataset in DATASETS},
        warnings=_count_warnings(spark, output, run_id),
        accepted_revenue=format_money(written[RENTALS].revenue),
        problem=join_problems(
            describe_no_accepted_rows(dataset)
            for dataset in DATASETS
            if not written[dataset].counts.accepted
        ),
    )
    uri = layout.join_uri(output, layout.job_report_key(layout.TRANSFORMATION_JOB, run_id))
    storage.write_text(spark, uri, report.to_json())


@dataclass(frozen=True)
class _WrittenDataset:
    """What was written of a dataset: the numbers of rows, and the revenue of rentals."""

    counts: DatasetCounts
    revenue: Decimal | None


def _write_dataset(
    cleaned: CleanedDataset, dataset: Dataset, output: str, run_id: str
) -> _WrittenDataset:
    """Write the accepted and the rejected rows.

    Read rows are counted independently of accepted and rejected rows, so that a lost row is
    detected.

    Raises:
        RuntimeError: The counts do not add up, which is a bug in the job.
    """
    revenue = [F.sum("total_amount").alias("revenue")] if dataset is RENTALS else []
    accepted_counter = RowCounter(*revenue)
    accepted = accepted_counter.observe(cast_to_schema(cleaned.accepted, dataset.curated_columns))
    write_table(accepted, layout.join_uri(output, layout.curated_prefix(dataset, run_id)))

    reasons = [
        F.count_if(F.array_contains(REASONS, code)).alias(code)
        for code in codes.reject_codes(dataset)
    ]
    rejected_counter = RowCounter(*reasons)
    rejected = rejected_counter.observe(cleaned.rejected.hint("rebalance"))
    write_table(rejected, layout.join_uri(output, layout.quarantine_prefix(dataset, run_id)))

    accepted_counts, rejected_counts = accepted_counter.counts, rejected_counter.counts
    counts = DatasetCounts(
        read=cleaned.read,
        accepted=accepted_counts["rows"],
        rejected=rejected_counts["rows"],
        reasons={
            code: rejected_counts[code]
            for code in codes.reject_codes(dataset)
            if rejected_counts[code]
        },
    )
    if counts.read != counts.accepted + counts.rejected:
        raise RuntimeError(
            f"{dataset.name}: accepted and rejected rows do not add up to the rows read: {counts}."
            " This is a bug in the job: report it with the log"
        )
    return _WrittenDataset(counts, accepted_counts.get("revenue"))


def _count_warnings(spark: SparkSession, output: str, run_id: str) -> dict[str, int]:
    """Return the number of accepted rentals with each warning, counted in what was written."""
    rentals, users, vehicles, locations = (
        spark.read.parquet(layout.join_uri(output, layout.curated_prefix(dataset, run_id)))
        for dataset in (RENTALS, USERS, VEHICLES, LOCATIONS)
    )
    counts = read_single_row(count_warnings(rentals, users, vehicles, locations))
    return {code: counts[code] for code in codes.WARNINGS}


if __name__ == "__main__":
    run_job(JobArgumentParser(PROGRAM, "Clean the four CSV files of a batch."), transform_batch)
