"""Convert a field's text to a value of its column's format."""

from __future__ import annotations

from typing import Callable

from pyspark.sql import Column
from pyspark.sql import functions as F

from contract.field_formats import (
    BooleanFormat,
    DecimalFormat,
    FieldFormat,
    IntegerFormat,
    TextFormat,
    TimestampFormat,
)


def trim_field(raw: Column) -> Column:
    """Return the field without leading and trailing spaces and tabs, or null if it is empty."""
    text = F.btrim(raw, F.lit(" \t"))
    return F.when(text != "", text)


def convert_field(text: Column, field_format: FieldFormat) -> Column:
    """Return the value of a trimmed field, or null if the field does not have the format."""
    if field_format.regex is not None:
        text = F.when(text.rlike(rf"\A{field_format.regex}\z"), text)
    if isinstance(field_format, DecimalFormat) and field_format.round_excess:
        text = _cut_fraction(text, field_format.scale + 1)
    return convert_valid_notation(text, field_format)


def convert_valid_notation(text: Column, field_format: FieldFormat) -> Column:
    """Return the value of a field that matches the regular expression of its format.

    Args:
        text: The field; null for no value. A decimal number has no more fraction digits than
            `canonical_regex` allows.
        field_format: The format of the field.

    Returns:
        The value, or null if it is out of range or does not exist, such as February 30.
    """
    return _CONVERTERS[type(field_format)](text, field_format)


def _cut_fraction(number: Column, digits: int) -> Column:
    """Return the text of a number with at most the given number of fraction digits.

    The first digit after the last one to keep decides alone how half up rounds, so the other digits
    are not needed. The cast would take time that grows with the square of their number: minutes for
    a single field of a megabyte.
    """
    return F.regexp_extract(number, rf"\A[^.]*(?:\.[0-9]{{1,{digits}}})?", 0)


# A converter casts only where the cast cannot fail for text that matches the regular expression of
# the format, because a failed cast ends the job in ANSI mode.


def _convert_text(text: Column, field_format: TextFormat) -> Column:
    if field_format.case is None:
        return text
    return F.lower(text) if field_format.case == "lower" else F.upper(text)


def _convert_boolean(text: Column, _: BooleanFormat) -> Column:
    return text == "1"


def _convert_integer(text: Column, field_format: IntegerFormat) -> Column:
    number = text.cast("bigint")
    return F.when(number <= field_format.maximum, number.cast(field_format.sql_type))


def _convert_decimal(text: Column, field_format: DecimalFormat) -> Column:
    if field_format.maximum is None and not field_format.round_excess:
        return text.cast(field_format.sql_type)  # the regular expression bounds the digits
    # The cast rounds half up. The additional integer digit leaves room for the carry.
    number = text.cast(f"decimal({field_format.precision + 1},{field_format.scale})")
    is_in_range = number >= field_format.minimum
    if field_format.maximum is not None:
        is_in_range &= number <= field_format.maximum
    return F.when(is_in_range, number.cast(field_format.sql_type))


def _convert_timestamp(text: Column, field_format: TimestampFormat) -> Column:
    # Without a pattern, Spark reads ISO 8601 twice as fast.
    pattern = () if field_format.is_iso else (F.lit(field_format.datetime_pattern),)
    return F.try_to_timestamp(text, *pattern).cast(field_format.sql_type)


_CONVERTERS: dict[type, Callable[..., Column]] = {
    TextFormat: _convert_text,
    BooleanFormat: _convert_boolean,
    IntegerFormat: _convert_integer,
    DecimalFormat: _convert_decimal,
    TimestampFormat: _convert_timestamp,
}
