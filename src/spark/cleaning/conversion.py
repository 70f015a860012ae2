"""From a field's text to its value, by the kind that the contract gives its column."""

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


def trimmed(raw: Column) -> Column:
    """The field without the spaces and tabs around it; null when nothing is left."""
    text = F.btrim(raw, F.lit(" \t"))
    return F.when(text != "", text)


def converted(text: Column, kind: FieldFormat) -> Column:
    """The value of a trimmed field; null where it is not of the kind's type, format or range."""
    if kind.pattern is not None:
        text = F.when(text.rlike(rf"\A{kind.pattern}\z"), text)
    return _CONVERSIONS[type(kind)](text, kind)


# Each takes text that fits the kind's pattern, or null. A cast stands only where no such text can
# make it fail, for under ANSI rules a failing cast ends the job.


def _text(text: Column, kind: TextFormat) -> Column:
    if kind.case is None:
        return text
    return F.lower(text) if kind.case == "lower" else F.upper(text)


def _flag(text: Column, _: BooleanFormat) -> Column:
    return text == "1"


def _integer(text: Column, kind: IntegerFormat) -> Column:
    number = text.cast("bigint")
    return F.when(number <= kind.maximum, number.cast(kind.sql_type))


def _decimal(text: Column, kind: DecimalFormat) -> Column:
    # One digit more before the point leaves room for rounding up; the cast rounds half up.
    number = text.cast(f"decimal({kind.precision + 1},{kind.scale})")
    in_range = number >= kind.minimum
    if kind.maximum is not None:
        in_range = in_range & (number <= kind.maximum)
    return F.when(in_range, number.cast(kind.sql_type))


def _moment(text: Column, kind: TimestampFormat) -> Column:
    return F.try_to_timestamp(text, F.lit(kind.format)).cast(kind.sql_type)


_CONVERSIONS: dict[type, Callable[..., Column]] = {
    TextFormat: _text,
    BooleanFormat: _flag,
    IntegerFormat: _integer,
    DecimalFormat: _decimal,
    TimestampFormat: _moment,
}
