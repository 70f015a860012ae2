"""From raw rows to accepted and rejected ones; both jobs clean with these steps."""

from __future__ import annotations

from typing import Callable

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from contract import codes
from contract.datasets import RENTALS, Dataset
from spark.conversion import converted, trimmed
from spark.reading import RAW_RECORD
from spark.row_rules import REASONS, reject_reasons

SECONDS_AN_HOUR = 3600

Step = Callable[[DataFrame], DataFrame]


def judged(dataset: Dataset) -> Step:
    """Raw rows, as `reading.read_rows` gives them, with their `reject_reasons` behind them."""

    def step(rows: DataFrame) -> DataFrame:
        own = rows.select("*", reject_reasons(dataset))
        return own.transform(_with_duplicates(dataset))

    return step


def accepted(dataset: Dataset) -> Step:
    """The judged rows that broke no rule, as values: the columns of the curated table."""

    def step(rows: DataFrame) -> DataFrame:
        values = rows.where(F.size(REASONS) == 0).select(
            *(converted(column) for column in dataset.columns)
        )
        return values.transform(_with_duration) if dataset is RENTALS else values

    return step


def rejected(dataset: Dataset) -> Step:
    """The judged rows that broke a rule, as they stood in the file, with the reasons."""

    def step(rows: DataFrame) -> DataFrame:
        is_rejected = F.size(REASONS) > 0
        return rows.where(is_rejected).select(*dataset.column_names, RAW_RECORD, REASONS)

    return step


def hours(seconds: Column) -> Column:
    """Seconds as hours, before rounding: enough digits that rounding once more changes nothing."""
    return seconds.cast("decimal(20,0)") / F.lit(SECONDS_AN_HOUR).cast("decimal(20,0)")


def _with_duplicates(dataset: Dataset) -> Step:
    """Of the valid rows that share a key, reject all but the first by their raw text.

    Keeps nothing of the order in which rows were read, so any partitioning gives the same choice.
    """
    raw = [F.col(name) for name in dataset.column_names]
    is_valid = F.size(REASONS) == 0
    # Rows that are out already are spread by their content: they would meet in one partition.
    group = F.when(is_valid, trimmed(F.col(dataset.key))).otherwise(
        F.xxhash64(*raw, RAW_RECORD).cast("string")
    )
    place = F.row_number().over(Window.partitionBy(is_valid, group).orderBy(*raw))
    duplicate = F.array(F.lit(codes.duplicate(dataset)))

    def step(rows: DataFrame) -> DataFrame:
        is_duplicate = is_valid & (F.col("place") > 1)
        reasons = F.when(is_duplicate, duplicate).otherwise(F.col(REASONS))
        return rows.withColumn("place", place).withColumn(REASONS, reasons).drop("place")

    return step


def _with_duration(rentals: DataFrame) -> DataFrame:
    start, end = F.col("rental_start_time"), F.col("rental_end_time")
    seconds = F.unix_timestamp(end) - F.unix_timestamp(start)
    types = dict(RENTALS.derived)
    return rentals.select(
        "*",
        seconds.alias("rental_duration_seconds"),
        F.round(hours(seconds), 2)
        .cast(types["rental_duration_hours"])
        .alias("rental_duration_hours"),
        start.cast("date").alias("rental_date"),
    )
