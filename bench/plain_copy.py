"""What the jobs are measured against: plain Spark reading the four files and writing Parquet.

No rule, no type, no count: the least that any Spark job over this input does.
"""

from __future__ import annotations

import argparse

from pyspark.sql import SparkSession

from contract.datasets import DATASETS


def main() -> None:
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
