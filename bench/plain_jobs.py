"""The baseline of the job benchmark: the two jobs as most people would write them first.

Spark infers the schema, drops rows with empty required columns, writes each table once, and
computes the five KPI tables from that Parquet, without checks, rejected rows, and counts.

Usage:
    spark-submit plain_jobs.py transform INPUT_DIR OUTPUT_DIR
    spark-submit plain_jobs.py kpis INPUT_DIR OUTPUT_DIR
"""

from __future__ import annotations

import sys
from pathlib import Path

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

TABLES = ("users", "vehicles", "locations", "rentals")


def transform(spark: SparkSession, source: Path, target: Path) -> None:
    """Convert the four CSV files to Parquet."""

    def read(name: str, *required: str) -> DataFrame:
        rows = spark.read.csv(f"{source}/{name}.csv", header=True, inferSchema=True)
        return rows.dropna(subset=list(required))

    users = read("users", "user_id", "email").withColumn(
        "creation_date", F.to_date("creation_date")
    )
    _write(users, target, "users")
    _write(read("locations", "location_id"), target, "locations")
    expiration = F.to_date("expiration_date", "dd-MM-yyyy")
    vehicles = read("vehicles", "vehicle_id").withColumn("expiration_date", expiration)
    _write(vehicles, target, "vehicles")
    rentals = read("rental_transactions", "rental_id", "user_id", "vehicle_id", "total_amount")
    for name in ("rental_start_time", "rental_end_time"):
        rentals = rentals.withColumn(name, F.to_timestamp(name, "yyyy-MM-dd HH:mm:ss"))
    start, end = F.col("rental_start_time"), F.col("rental_end_time")
    seconds = F.unix_timestamp(end) - F.unix_timestamp(start)
    rentals = rentals.where((F.col("total_amount") >= 0) & (end > start)).select(
        "*",
        seconds.alias("seconds"),
        F.round(seconds / 3600, 2).alias("hours"),
        F.to_date(start).alias("day"),
    )
    _write(rentals, target, "rentals")


def compute_kpis(spark: SparkSession, source: Path, target: Path) -> None:
    """Compute the KPI tables from the Parquet of `transform`."""
    users, vehicles, locations, rentals = (
        spark.read.parquet(f"{source}/{name}") for name in TABLES
    )
    vehicle_count, user_count = F.count_distinct("vehicle_id"), F.count_distinct("user_id")

    location = ("location_id", "location_name", "city", "state")
    located = rentals.join(locations, rentals["pickup_location"] == locations["location_id"])
    _write(located.groupBy(*location).agg(*_measures(), vehicle_count), target, "location_metrics")
    modeled = rentals.join(vehicles, "vehicle_id").groupBy("vehicle_type", "brand")
    _write(modeled.agg(*_measures(), vehicle_count), target, "vehicle_metrics")
    _write(rentals.groupBy("day").agg(*_measures(), user_count), target, "daily_metrics")
    run = rentals.agg(*_measures(), user_count, vehicle_count)
    _write(run, target, "transaction_metrics")
    person = ("user_id", "first_name", "last_name", "email")
    named = rentals.join(users.select(*person), "user_id").groupBy(*person)
    _write(named.agg(*_measures()), target, "user_metrics")


def _measures() -> list[Column]:
    amount = F.col("total_amount")
    return [
        F.sum(amount).alias("revenue"),
        F.count("*").alias("rentals"),
        F.avg(amount).alias("average"),
        F.max(amount).alias("largest"),
        F.min(amount).alias("smallest"),
        F.sum("hours").alias("total_hours"),
    ]


def _write(rows: DataFrame, target: Path, name: str) -> None:
    # Parquet accepts no parentheses in names, which unnamed aggregates have.
    names = [column.replace("(", "_").replace(")", "") for column in rows.columns]
    rows.toDF(*names).write.mode("overwrite").parquet(f"{target}/{name}")


def main() -> None:
    """Run one of the jobs."""
    job, source, target = sys.argv[1:]
    spark = SparkSession.builder.appName(f"plain {job}").getOrCreate()
    {"transform": transform, "kpis": compute_kpis}[job](spark, Path(source), Path(target))
    spark.stop()


if __name__ == "__main__":
    main()
