"""Conversion of records to rows, which are valid or rejected."""

from __future__ import annotations

from typing import Callable

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from contract.datasets import RENTALS, Dataset
from contract.file_check import Header
from spark.cleaning.canonical_records import are_valid, canonical_fields, canonical_values
from spark.cleaning.checked_records import REJECTION, VALUE, check_record
from spark.reading.records import RECORD

SECONDS_PER_HOUR = 3600

Transformation = Callable[[DataFrame], DataFrame]


def converted(dataset: Dataset, header: Header) -> Transformation:
    """Return the transformation from the records of a file to rows.

    The rules about a single row are applied; duplicates are not looked for.

    Its result has these columns:

    - The columns of the dataset, with converted values; null for a rejected row.
    - `rejection`: Why the row is rejected, as `build_rejection` returns it; null for a valid row.
    - `record`: The record.
    """
    record, fields, canonical = F.col(RECORD), F.col("_fields"), F.col("_canonical")
    checked = F.col("_checked")
    is_valid = are_valid(canonical, fields, dataset, header)
    values = [
        F.when(checked.isNull(), canonical[name]).otherwise(checked[VALUE][name]).alias(name)
        for name in dataset.column_names
    ]

    def transform(records: DataFrame) -> DataFrame:
        # Each step uses the columns of the previous one several times. Therefore, Spark does not
        # merge the steps, which would evaluate these columns as often as they are used.
        return (
            records.select(RECORD, canonical_fields(record, dataset, header).alias("_fields"))
            .withColumn("_canonical", canonical_values(fields, dataset, header))
            .select(
                RECORD,
                canonical,
                F.when(~is_valid, check_record(record, dataset, header)).alias("_checked"),
            )
            .select(*values, checked[REJECTION].alias(REJECTION), RECORD)
        )

    return transform


def is_rejected() -> Column:
    """Return whether a row broke a rule."""
    return F.col(REJECTION).isNotNull()


def to_hours(seconds: Column) -> Column:
    """Return seconds as hours, with enough digits that a later rounding is exact."""
    return seconds.cast("decimal(20,0)") / F.lit(SECONDS_PER_HOUR).cast("decimal(20,0)")


def add_derived_columns(rentals: DataFrame) -> DataFrame:
    """Add the computed columns of the curated table to accepted rentals."""
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
