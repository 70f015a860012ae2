"""The rules that decide whether a row is accepted.

A rule is a function that returns a column: null if the row complies with the rule, otherwise the
reject code. Rules read two structs: `text`, which contains the trimmed fields, and `value`, which
contains the converted fields.
"""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F

from contract import codes
from contract.datasets import RENTALS, Dataset, InputColumn
from spark.reading.csv_reader import RAW_RECORD

TEXT = "text"
VALUE = "value"
REASONS = "reject_reasons"


def reject_reasons(dataset: Dataset) -> Column:
    """Return the sorted codes of the broken rules; empty for a valid row.

    The result depends only on the row itself, so it does not include duplicates.
    """
    rules = [check_not_missing(column) for column in dataset.columns if column.required]
    rules += [check_valid(column) for column in dataset.columns if codes.can_be_invalid(column)]
    if dataset is RENTALS:
        rules.append(check_end_after_start())
    broken = F.array_sort(F.array_compact(F.array(*rules)))
    malformed = F.array(F.lit(codes.MALFORMED_ROW))
    return F.when(F.col(RAW_RECORD).isNotNull(), malformed).otherwise(broken)


def check_not_missing(column: InputColumn) -> Column:
    """Check that the field of a required column is not empty."""
    return F.when(_text(column.name).isNull(), F.lit(codes.missing_code(column.name)))


def check_valid(column: InputColumn) -> Column:
    """Check that the field, unless it is empty, has the format of its column."""
    is_invalid = _text(column.name).isNotNull() & _value(column.name).isNull()
    return F.when(is_invalid, F.lit(codes.invalid_code(column.name)))


def check_end_after_start() -> Column:
    """Check that a rental ends after it starts. If a time is invalid, the row complies."""
    is_invalid = _value("rental_end_time") <= _value("rental_start_time")
    return F.when(is_invalid, F.lit(codes.END_NOT_AFTER_START))


def _text(column_name: str) -> Column:
    return F.col(f"{TEXT}.{column_name}")


def _value(column_name: str) -> Column:
    return F.col(f"{VALUE}.{column_name}")
