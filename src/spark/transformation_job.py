"""Spark job that splits the four raw CSV files into accepted and rejected rows, and counts both.

Usage:
    spark-submit --py-files jobs.zip transformation_job.py --input URI --output URI --run-id ID
"""

from __future__ import annotations

import argparse

from pyspark.sql import DataFrame, SparkSession
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
from spark.cleaning.rental_warnings import add_warning_context, warning_counts
from spark.cleaning.row_rules import REASONS
from spark.cleaning.rows import select_accepted, select_rejected, validated
from spark.job import JobArgumentParser, ProgressLog, require_new_run, run_job
from spark.reading.csv_reader import read_headers, read_rows
from spark.tables import RowCounter, cast_to_schema, write_table

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
    progress = ProgressLog(PROGRAM, phases=2 * len(DATASETS))

    rows = {
        dataset: read_rows(spark, options.input, dataset, headers[dataset])
        .transform(validated(dataset))
        .persist()
        for dataset in DATASETS
    }
    accepted = {dataset: rows[dataset].transform(select_accepted(dataset)) for dataset in DATASETS}
    # The warnings about rentals need the other datasets, so the rentals come last.
    accepted_counters: dict[Dataset, RowCounter] = {}
    for dataset in (USERS, VEHICLES, LOCATIONS, RENTALS):
        progress.start_phase(f"{dataset.name}: reading and cleaning")
        table, counter = accepted[dataset], RowCounter(F.count(F.lit(1)).alias("accepted"))
        if dataset is RENTALS:
            table = add_warning_context(
                table, accepted[USERS], accepted[VEHICLES], accepted[LOCATIONS]
            )
            counter = _build_rental_counter()
        accepted_counters[dataset] = counter
        curated = cast_to_schema(counter.observe(table), dataset.curated_columns)
        write_table(curated, layout.join_uri(output, layout.curated_prefix(dataset, run_id)))

    counts = {}
    for dataset in DATASETS:
        progress.start_phase(f"{dataset.name}: writing rejected rows")
        uri = layout.join_uri(output, layout.quarantine_prefix(dataset, run_id))
        counts[dataset.name] = _write_rejected(
            rows[dataset], dataset, uri, accepted_counters[dataset]
        )
    rental_counts = accepted_counters[RENTALS].counts
    report = TransformationReport(
        run_id=run_id,
        datasets=counts,
        warnings={code: rental_counts[code] for code in codes.WARNINGS},
        accepted_revenue=format_money(rental_counts["revenue"]),
        problem=join_problems(
            describe_no_accepted_rows(dataset)
            for dataset in DATASETS
            if not counts[dataset.name].accepted
        ),
    )
    uri = layout.join_uri(output, layout.job_report_key(layout.TRANSFORMATION_JOB, run_id))
    storage.write_text(spark, uri, report.to_json())


def _build_rental_counter() -> RowCounter:
    return RowCounter(
        F.count(F.lit(1)).alias("accepted"),
        F.sum("total_amount").alias("revenue"),
        *warning_counts(),
    )


def _write_rejected(
    rows: DataFrame, dataset: Dataset, uri: str, accepted_counter: RowCounter
) -> DatasetCounts:
    """Write the rejected rows and return the counts of the dataset.

    Read rows are counted independently of accepted and rejected rows, so that a lost row is
    detected. All three are counted where no shuffle follows, because Spark would count the rows of
    a repeated stage again.

    Args:
        rows: The validated rows of the dataset.
        dataset: The dataset.
        uri: Where to write the rejected rows.
        accepted_counter: The counter of the accepted rows, which are already written.

    Raises:
        RuntimeError: The counts do not add up, which is a bug in the job.
    """
    read_counter = RowCounter(F.count(F.lit(1)).alias("read"))
    reasons = [
        F.count_if(F.array_contains(REASONS, code)).alias(code)
        for code in codes.reject_codes(dataset)
    ]
    rejected_counter = RowCounter(F.count(F.lit(1)).alias("rejected"), *reasons)
    rejected = read_counter.observe(rows).transform(select_rejected)
    write_table(rejected_counter.observe(rejected), uri)
    rejected_counts = rejected_counter.counts
    counts = DatasetCounts(
        read=read_counter.counts["read"],
        accepted=accepted_counter.counts["accepted"],
        rejected=rejected_counts["rejected"],
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
    return counts


if __name__ == "__main__":
    run_job(JobArgumentParser(PROGRAM, "Clean the four CSV files of a batch."), transform_batch)
