"""Spark program that runs both jobs in one session, one after the other.

On a single machine, two sessions would only share its processors and memory, and each would have to
start and to clean the input. Here, the KPI job reads the rows that the transformation job has just
written.

Usage:
    spark-submit both_jobs.py --input URI --output URI --run-id ID [--personal-data]
"""

from __future__ import annotations

import argparse

from pyspark.sql import SparkSession

from contract import layout
from spark.job import JobArgumentParser, require_new_run, run_job
from spark.kpis import compute_kpis
from spark.transformation_job import transform_batch

PROGRAM = "jobs"


def run_both_jobs(spark: SparkSession, options: argparse.Namespace) -> None:
    """Run the transformation job and then the KPI job.

    Args:
        spark: The Spark session.
        options: The arguments that `build_parser` defines.

    Raises:
        InputError: The input is invalid, or the run is already complete.
    """
    require_new_run(spark, options.output, options.run_id, layout.KPI_JOB)
    transform_batch(spark, options)
    compute_kpis(spark, argparse.Namespace(**vars(options), curated=True))


def build_parser() -> JobArgumentParser:
    """Return the parser of the program's arguments."""
    parser = JobArgumentParser(PROGRAM, "Clean the four CSV files of a batch and compute KPIs.")
    parser.add_argument("--personal-data", action="store_true")
    return parser


if __name__ == "__main__":
    run_job(build_parser(), run_both_jobs)
