"""The rules that a row has to keep (data contract, section 3), each a function to a Column.

A rule's column is null where the row passes, and the reject code where it does not.
"""

from __future__ import annotations

from typing import List

from pyspark.sql import Column
from pyspark.sql import functions as F

from contract import codes
from contract.datasets import RENTALS, Dataset
from contract.datasets import Column as ContractColumn
from spark.conversion import converted, trimmed
from spark.reading import RAW_RECORD

REASONS = "reject_reasons"


def reject_reasons(dataset: Dataset) -> Column:
    """The sorted codes of all rules that the raw row breaks by itself; empty for a valid row."""
    rules: List[Column] = []
    for column in dataset.columns:
        if column.required:
            rules.append(not_missing(column))
        rules.append(valid(column))
    if dataset is RENTALS:
        rules.append(end_after_start())
    broken = F.array_sort(F.array_compact(F.array(*rules)))
    malformed = F.col(RAW_RECORD).isNotNull()
    return F.when(malformed, F.array(F.lit(codes.MALFORMED_ROW))).otherwise(broken).alias(REASONS)


def not_missing(column: ContractColumn) -> Column:
    """A required column is not empty."""
    is_empty = trimmed(F.col(column.name)).isNull()
    return F.when(is_empty, F.lit(codes.missing(column.name)))


def valid(column: ContractColumn) -> Column:
    """A field that is not empty is of its column's type, format and range."""
    is_wrong = trimmed(F.col(column.name)).isNotNull() & converted(column).isNull()
    return F.when(is_wrong, F.lit(codes.invalid(column.name)))


def end_after_start() -> Column:
    """A rental ends after it starts; judged only where both times are valid."""
    start, end = (
        converted(column)
        for column in RENTALS.columns
        if column.name in ("rental_start_time", "rental_end_time")
    )
    return F.when(end <= start, F.lit(codes.END_NOT_AFTER_START))
