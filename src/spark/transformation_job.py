"""Spark job: four raw CSV files to accepted rows, rejected rows and a report of both.

spark-submit --py-files jobs.zip transformation_job.py --input URI --output URI --run-id ID
"""

from __future__ import annotations

import argparse

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from contract import codes, layout
from contract.datasets import DATASETS, LOCATIONS, RENTALS, USERS, VEHICLES, Dataset
from contract.reports import NO_ACCEPTED_RENTAL, DatasetCounts, TransformationReport, format_money
from spark import storage
from spark.cleaning.rental_warnings import warning_counts, with_context
from spark.cleaning.row_rules import REASONS
from spark.cleaning.rows import accepted, rejected, validated
from spark.job import Parser, Progress, require_new, run_job
from spark.reading.csv_reader import read_headers, read_rows
from spark.tables import RowCounter, cast_to_schema, write

PROGRAM = "transformation_job"


def transform(spark: SparkSession, options: argparse.Namespace) -> None:
    """Clean the four files of `options.input` into a run below `options.output`."""
    run_id, output = options.run_id, options.output
    require_new(spark, output, run_id, layout.TRANSFORMATION_JOB)
    headers = read_headers(spark, options.input, DATASETS)
    progress = Progress(PROGRAM, steps=2 * len(DATASETS))

    rows = {
        dataset: read_rows(spark, options.input, dataset, headers[dataset])
        .transform(validated(dataset))
        .persist()
        for dataset in DATASETS
    }
    kept = {dataset: rows[dataset].transform(accepted(dataset)) for dataset in DATASETS}
    # Rentals last: their warnings need the other datasets.
    written: dict[Dataset, RowCounter] = {}
    for dataset in (USERS, VEHICLES, LOCATIONS, RENTALS):
        progress.begin(f"{dataset.name}: reading and cleaning")
        table, counter = kept[dataset], RowCounter(F.count(F.lit(1)).alias("accepted"))
        if dataset is RENTALS:
            table = with_context(table, kept[USERS], kept[VEHICLES], kept[LOCATIONS])
            counter = _rental_counter()
        written[dataset] = counter
        columns = cast_to_schema(counter.watch(table), dataset.curated_columns)
        write(columns, layout.join_uri(output, layout.curated_prefix(dataset, run_id)))

    counts = {}
    for dataset in DATASETS:
        progress.begin(f"{dataset.name}: writing rejected rows")
        uri = layout.join_uri(output, layout.quarantine_prefix(dataset, run_id))
        counts[dataset.name] = _write_rejected(rows[dataset], dataset, uri, written[dataset])
    rentals = written[RENTALS].counts
    report = TransformationReport(
        run_id=run_id,
        datasets=counts,
        warnings={code: rentals[code] for code in codes.WARNINGS},
        accepted_revenue=format_money(rentals["revenue"]),
        problem=None if rentals["accepted"] else NO_ACCEPTED_RENTAL,
    )
    uri = layout.join_uri(output, layout.job_report_key(layout.TRANSFORMATION_JOB, run_id))
    storage.write_text(spark, uri, report.to_json())


def _rental_counter() -> RowCounter:
    return RowCounter(
        F.count(F.lit(1)).alias("accepted"),
        F.sum("total_amount").alias("revenue"),
        *warning_counts(),
    )


def _write_rejected(
    rows: DataFrame, dataset: Dataset, uri: str, accepted_counter: RowCounter
) -> DatasetCounts:
    """Write the rejected of the judged rows, and count the whole dataset.

    What was read is counted apart from what was accepted and rejected: the sum of the two must meet
    it, or a row was lost. All three are counted where no shuffle follows, since a stage that runs
    again would be counted again.
    """
    read = RowCounter(F.count(F.lit(1)).alias("read"))
    reasons = [
        F.count_if(F.array_contains(REASONS, code)).alias(code)
        for code in codes.reject_codes(dataset)
    ]
    out = RowCounter(F.count(F.lit(1)).alias("rejected"), *reasons)
    write(out.watch(read.watch(rows).transform(rejected)), uri)
    found = out.counts
    counts = DatasetCounts(
        read=read.counts["read"],
        accepted=accepted_counter.counts["accepted"],
        rejected=found["rejected"],
        reasons={code: found[code] for code in codes.reject_codes(dataset) if found[code]},
    )
    if counts.read != counts.accepted + counts.rejected:
        raise RuntimeError(f"{dataset.name}: rows were lost or doubled: {counts}")
    return counts


if __name__ == "__main__":
    run_job(Parser(PROGRAM, "Clean the four CSV files of a batch."), transform)
