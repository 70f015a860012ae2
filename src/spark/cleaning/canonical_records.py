"""Conversion of records in the notation that nearly all records have.

A *canonical* record is one whose fields contain only printable ASCII characters, no quotes, and no
spaces or tabs at their ends, and have the most common notation of their formats. One regular
expression recognizes it. Its fields need neither unquoting, nor trimming, nor any other check of
their notation, so they are converted in a fraction of the time that `checked_records` needs, which
handles all other records.
"""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F

from contract.datasets import RENTALS, Dataset
from contract.field_formats import CANONICAL_TEXT, TextFormat
from contract.file_check import Header
from spark.cleaning.conversion import convert_valid_notation
from spark.cleaning.row_rules import ends_after_start


def canonical_fields(record: Column, dataset: Dataset, header: Header) -> Column:
    """Return the fields of a canonical record as an array, or null for any other record."""
    patterns = [f"(?:{CANONICAL_TEXT})?"] * header.width
    for column, position in zip(dataset.columns, header.positions):
        optional = "" if column.required else "?+"
        patterns[position] = f"(?:{column.format.canonical_regex}){optional}"
    return F.when(record.rlike(rf"\A{','.join(patterns)}\z"), F.split(record, ",", -1))


def canonical_values(fields: Column, dataset: Dataset, header: Header) -> Column:
    """Return the values of a canonical record as a struct, or null if `fields` is null."""
    values = []
    for column, position in zip(dataset.columns, header.positions):
        text = fields[position]
        if not column.required:
            text = F.when(text != "", text)
        values.append(convert_valid_notation(text, column.format).alias(column.name))
    return F.when(fields.isNotNull(), F.struct(*values))


def are_valid(values: Column, fields: Column, dataset: Dataset, header: Header) -> Column:
    """Return whether all values of a canonical record comply with the row rules.

    Args:
        values: The result of `canonical_values`.
        fields: The result of `canonical_fields`.
        dataset: The dataset of the record.
        header: The header of the file.

    Returns:
        True or false; false if the record is not canonical.
    """
    is_valid = values.isNotNull()
    for column, position in zip(dataset.columns, header.positions):
        has_value = values[column.name].isNotNull()
        if not isinstance(column.format, TextFormat):
            is_valid &= has_value if column.required else has_value | (fields[position] == "")
    if dataset is RENTALS:
        is_valid &= ends_after_start(values)
    return F.coalesce(is_valid, F.lit(False))
