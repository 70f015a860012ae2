"""Conversion of records in the notation that nearly all records have.

A *canonical* record is one whose fields contain only printable ASCII characters, no quotes, and no
spaces or tabs at their ends, and have the most common notation of their formats. One regular
expression recognizes it. Its fields need neither unquoting, nor trimming, nor any other check of
their notation, so they are converted in a fraction of the time that `checked_records` needs, which
handles all other records.
"""

from __future__ import annotations

from itertools import groupby

from pyspark.sql import Column
from pyspark.sql import functions as F

from contract.datasets import RENTALS, Dataset, InputColumn
from contract.field_formats import CANONICAL_TEXT, TextFormat
from contract.file_check import Header
from spark.cleaning.conversion import convert_valid_notation
from spark.cleaning.row_rules import ends_after_start

_ANY_FIELD = f"(?:{CANONICAL_TEXT})?+"


def canonical_fields(record: Column, dataset: Dataset, header: Header) -> Column:
    """Return the fields of a canonical record as an array, or null for any other record."""
    pattern = rf"\A{_canonical_regex(dataset, header)}\z"
    return F.when(record.rlike(pattern), F.split(record, ",", -1))


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


def _canonical_regex(dataset: Dataset, header: Header) -> str:
    """Return the regular expression of a canonical record.

    Adjacent columns that the dataset does not have are one repetition. As one group each, they
    would need stack space, and a file that a spreadsheet saved at its full width has 16,384.
    """
    columns = dict(zip(header.positions, dataset.columns))
    parts = []
    for is_known, positions in groupby(range(header.width), columns.__contains__):
        if is_known:
            parts += [_optional(columns[position]) for position in positions]
        else:
            count = len(list(positions))
            parts.append(f"{_ANY_FIELD}(?:,{_ANY_FIELD}){{{count - 1}}}+")
    return ",".join(parts)


def _optional(column: InputColumn) -> str:
    return f"(?:{column.format.canonical_regex}){'' if column.required else '?+'}"
