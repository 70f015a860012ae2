"""The baseline of the job benchmark: plain Spark reads the four files and writes Parquet.

It applies no rules, types, or counts, so it does the minimum work of a Spark job on this input.
"""

from __future__ import annotations

import argparse

from pyspark.sql import SparkSession

from contract.datasets import DATASETS


def main() -> None:
    """Copy the four files to Parquet, with the same arguments as the jobs."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--input", required=True)
    parser.add_argument("--output", required=True)
    parser.add_argument("--run-id", required=True)
    options = parser.parse_args()
    spark = SparkSession.builder.appName("plain copy").getOrCreate()
    for dataset in DATASETS:
        reader = spark.read.option("header", True).option("multiLine", dataset.multiline)
        rows = reader.csv(f"{options.input}/{dataset.file}")
        rows.write.parquet(f"{options.output}/{options.run_id}/{dataset.name}")
    spark.stop()


if __name__ == "__main__":
    main()
