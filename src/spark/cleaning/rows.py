"""Separation of raw rows into accepted and rejected rows, shared by both jobs."""

from __future__ import annotations

from typing import Callable

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from contract import codes
from contract.datasets import RENTALS, Dataset
from spark.cleaning.conversion import convert_field, trim_field
from spark.cleaning.row_rules import REASONS, TEXT, VALUE, reject_reasons
from spark.reading.csv_reader import RAW_RECORD

RAW = "raw"
SECONDS_PER_HOUR = 3600

Transformation = Callable[[DataFrame], DataFrame]


def validated(dataset: Dataset) -> Transformation:
    """Return the transformation that applies all row rules to the rows of `read_rows`.

    Its result has three columns:

    - `value`: A struct of the converted fields; null for a rejected row.
    - `raw`: A struct of the fields as they are in the file, and `raw_record`; null for an accepted
      row.
    - `reject_reasons`: The sorted reject codes; empty for an accepted row.
    """
    texts = [trim_field(F.col(column.name)).alias(column.name) for column in dataset.columns]
    values = [
        convert_field(F.col(f"{TEXT}.{column.name}"), column.format).alias(column.name)
        for column in dataset.columns
    ]
    raw = F.struct(*dataset.column_names, RAW_RECORD)

    def transform(rows: DataFrame) -> DataFrame:
        return (
            rows.select(raw.alias(RAW), RAW_RECORD, F.struct(*texts).alias(TEXT))
            .select(RAW, RAW_RECORD, TEXT, F.struct(*values).alias(VALUE))
            .select(RAW, VALUE, reject_reasons(dataset).alias(REASONS))
            .transform(_reject_duplicates(dataset))
            .select(
                F.when(is_accepted(), F.col(VALUE)).alias(VALUE),
                F.when(~is_accepted(), F.col(RAW)).alias(RAW),
                REASONS,
            )
        )

    return transform


def is_accepted() -> Column:
    """Return whether a validated row broke no rule."""
    return F.size(REASONS) == 0


def select_accepted(dataset: Dataset) -> Transformation:
    """Return the transformation from validated rows to the columns of the curated table."""

    def transform(rows: DataFrame) -> DataFrame:
        values = rows.where(is_accepted()).select(f"{VALUE}.*")
        return values.transform(_add_derived_columns) if dataset is RENTALS else values

    return transform


def select_rejected(rows: DataFrame) -> DataFrame:
    """Return the rejected rows among validated rows, with their raw text and reject reasons."""
    return rows.where(~is_accepted()).select(f"{RAW}.*", REASONS)


def to_hours(seconds: Column) -> Column:
    """Return seconds as hours, with enough digits that a later rounding is exact."""
    return seconds.cast("decimal(20,0)") / F.lit(SECONDS_PER_HOUR).cast("decimal(20,0)")


def _reject_duplicates(dataset: Dataset) -> Transformation:
    """Reject all but one of the valid rows that share a key.

    The row whose raw text sorts first is kept. The choice does not depend on the order in which
    rows are read, so every partitioning gives the same result.
    """
    # Rows that are already rejected are distributed by a hash of their content. With one common
    # value, all of them would end up in one partition.
    content_hash = F.xxhash64(RAW).cast("string")
    group = F.when(is_accepted(), F.col(f"{VALUE}.{dataset.key}")).otherwise(content_hash)
    rank = F.row_number().over(Window.partitionBy(is_accepted(), group).orderBy(RAW))
    duplicate = F.array(F.lit(codes.duplicate_code(dataset)))
    is_duplicate = is_accepted() & (F.col("rank") > 1)

    def transform(rows: DataFrame) -> DataFrame:
        reasons = F.when(is_duplicate, duplicate).otherwise(F.col(REASONS))
        return rows.withColumn("rank", rank).withColumn(REASONS, reasons)

    return transform


def _add_derived_columns(rentals: DataFrame) -> DataFrame:
    start, end = F.col("rental_start_time"), F.col("rental_end_time")
    seconds = F.unix_timestamp(end) - F.unix_timestamp(start)
    types = dict(RENTALS.derived)
    return rentals.select(
        "*",
        seconds.alias("rental_duration_seconds"),
        F.round(to_hours(seconds), 2)
        .cast(types["rental_duration_hours"])
        .alias("rental_duration_hours"),
        start.cast("date").alias("rental_date"),
    )
