"""From raw rows to accepted and rejected ones; both jobs clean with these steps."""

from __future__ import annotations

from typing import Callable

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from contract import codes
from contract.datasets import RENTALS, Dataset
from spark.cleaning.conversion import converted, trimmed
from spark.cleaning.row_rules import REASONS, TEXT, VALUE, reject_reasons
from spark.reading.csv_reader import RAW_RECORD

RAW = "raw"
SECONDS_AN_HOUR = 3600

Step = Callable[[DataFrame], DataFrame]


def validated(dataset: Dataset) -> Step:
    """Raw rows, as `reading.read_rows` gives them, with the verdict on each.

    Three columns: `value`, a struct of the converted columns, null for a rejected row; `raw`, a
    struct of the fields as they stood and `raw_record`, null for an accepted one; `reject_reasons`.
    """
    texts = [trimmed(F.col(column.name)).alias(column.name) for column in dataset.columns]
    values = [
        converted(F.col(f"{TEXT}.{column.name}"), column.kind).alias(column.name)
        for column in dataset.columns
    ]
    raw = F.struct(*dataset.column_names, RAW_RECORD)

    def step(rows: DataFrame) -> DataFrame:
        return (
            rows.select(raw.alias(RAW), RAW_RECORD, F.struct(*texts).alias(TEXT))
            .select(RAW, RAW_RECORD, TEXT, F.struct(*values).alias(VALUE))
            .select(RAW, VALUE, reject_reasons(dataset).alias(REASONS))
            .transform(_with_duplicates(dataset))
            .select(
                F.when(is_accepted(), F.col(VALUE)).alias(VALUE),
                F.when(~is_accepted(), F.col(RAW)).alias(RAW),
                REASONS,
            )
        )

    return step


def is_accepted() -> Column:
    """Whether a judged row broke no rule."""
    return F.size(REASONS) == 0


def accepted(dataset: Dataset) -> Step:
    """The accepted of the judged rows: the columns of the curated table."""

    def step(rows: DataFrame) -> DataFrame:
        values = rows.where(is_accepted()).select(f"{VALUE}.*")
        return values.transform(_with_duration) if dataset is RENTALS else values

    return step


def rejected(rows: DataFrame) -> DataFrame:
    """The rejected of the judged rows, as they stood in the file, with the reasons."""
    return rows.where(~is_accepted()).select(f"{RAW}.*", REASONS)


def hours(seconds: Column) -> Column:
    """Seconds as hours, before rounding: enough digits that rounding once more changes nothing."""
    return seconds.cast("decimal(20,0)") / F.lit(SECONDS_AN_HOUR).cast("decimal(20,0)")


def _with_duplicates(dataset: Dataset) -> Step:
    """Of the valid rows that share a key, reject all but the first by their raw text.

    Keeps nothing of the order in which rows were read, so any partitioning gives the same choice.
    """
    # Rows that are out already are spread by their content: they would meet in one partition.
    spread = F.xxhash64(RAW).cast("string")
    group = F.when(is_accepted(), F.col(f"{VALUE}.{dataset.key}")).otherwise(spread)
    place = F.row_number().over(Window.partitionBy(is_accepted(), group).orderBy(RAW))
    duplicate = F.array(F.lit(codes.duplicate_code(dataset)))
    is_duplicate = is_accepted() & (F.col("place") > 1)

    def step(rows: DataFrame) -> DataFrame:
        reasons = F.when(is_duplicate, duplicate).otherwise(F.col(REASONS))
        return rows.withColumn("place", place).withColumn(REASONS, reasons)

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
