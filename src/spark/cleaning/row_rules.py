"""The rules that decide whether a row is accepted.

A rule is a function that returns a column: null if the row complies with the rule, otherwise the
reject code. Rules read two structs: the trimmed text of the fields, and their converted values.
"""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F

from contract import codes
from contract.datasets import RENTALS, Dataset, InputColumn


def reject_reasons(dataset: Dataset, text: Column, value: Column) -> Column:
    """Return the sorted codes of the broken rules; empty for a valid row.

    The result depends only on the row itself, so it does not include duplicates.

    Args:
        dataset: The dataset of the row.
        text: A struct of the trimmed fields.
        value: A struct of the converted fields.
    """
    rules = [check_not_missing(column, text) for column in dataset.columns if column.required]
    rules += [
        check_valid(column, text, value)
        for column in dataset.columns
        if codes.can_be_invalid(column)
    ]
    if dataset is RENTALS:
        rules.append(check_end_after_start(value))
    return F.array_sort(F.array_compact(F.array(*rules)))


def check_not_missing(column: InputColumn, text: Column) -> Column:
    """Check that the field of a required column is not empty."""
    return F.when(text[column.name].isNull(), F.lit(codes.missing_code(column.name)))


def check_valid(column: InputColumn, text: Column, value: Column) -> Column:
    """Check that the field, unless it is empty, has the format of its column."""
    is_invalid = text[column.name].isNotNull() & value[column.name].isNull()
    return F.when(is_invalid, F.lit(codes.invalid_code(column.name)))


def check_end_after_start(value: Column) -> Column:
    """Check that a rental ends after it starts. If a time is invalid, the row complies."""
    return F.when(~ends_after_start(value), F.lit(codes.END_NOT_AFTER_START))


def ends_after_start(value: Column) -> Column:
    """Return whether a rental ends after it starts; null if a time is invalid."""
    return value["rental_end_time"] > value["rental_start_time"]
