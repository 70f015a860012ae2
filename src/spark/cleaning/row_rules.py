"""The rules that a row has to keep (data contract, section 3), each a function to a Column.

A rule's column is null where the row passes, and the reject code where it does not. Rules look at
two structs: `text`, the trimmed fields, and `value`, what they were converted to.
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
    """The sorted codes of all rules that a row breaks by itself; empty for a valid row."""
    rules: list[Column] = [not_missing(column) for column in dataset.columns if column.required]
    rules += [valid(column) for column in dataset.columns if codes.can_be_invalid(column)]
    if dataset is RENTALS:
        rules.append(end_after_start())
    broken = F.array_sort(F.array_compact(F.array(*rules)))
    malformed = F.array(F.lit(codes.MALFORMED_ROW))
    return F.when(F.col(RAW_RECORD).isNotNull(), malformed).otherwise(broken)


def not_missing(column: InputColumn) -> Column:
    """A required column is not empty."""
    return F.when(_text(column.name).isNull(), F.lit(codes.missing_code(column.name)))


def valid(column: InputColumn) -> Column:
    """A field that is not empty is of its column's type, format and range."""
    is_wrong = _text(column.name).isNotNull() & _value(column.name).isNull()
    return F.when(is_wrong, F.lit(codes.invalid_code(column.name)))


def end_after_start() -> Column:
    """A rental ends after it starts; judged only where both times are valid."""
    is_wrong = _value("rental_end_time") <= _value("rental_start_time")
    return F.when(is_wrong, F.lit(codes.END_NOT_AFTER_START))


def _text(name: str) -> Column:
    return F.col(f"{TEXT}.{name}")


def _value(name: str) -> Column:
    return F.col(f"{VALUE}.{name}")
