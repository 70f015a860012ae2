"""The kinds of value a column can hold, and how each is written as text.

Patterns are regular expressions that mean the same to Python's `re` and to Java's, and describe the
whole trimmed field.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Union


@dataclass(frozen=True)
class TextFormat:
    """Characters as they stand; `case` is "lower" or "upper" where the value is normalised."""

    case: str | None = None
    pattern: str | None = None
    words: str = "text"

    @property
    def sql_type(self) -> str:
        return "string"


@dataclass(frozen=True)
class BooleanFormat:
    """`0` or `1`, read as a boolean."""

    pattern = "[01]"
    words = "0 or 1"
    sql_type = "boolean"


@dataclass(frozen=True)
class IntegerFormat:
    """Digits without a sign, up to the largest 32-bit integer."""

    pattern = "0*[0-9]{1,10}"
    words = "digits"
    sql_type = "int"
    maximum = 2**31 - 1


@dataclass(frozen=True)
class DecimalFormat:
    """A plain number of `precision` digits, `scale` of them after the point.

    A column whose range reaches below zero may carry a sign. More than `scale` digits after the
    point are refused, or rounded half up where `rounded` says so.
    """

    precision: int
    scale: int
    minimum: int
    maximum: int | None = None
    rounded: bool = False

    @property
    def pattern(self) -> str:
        sign = "[+-]?" if self.minimum < 0 else ""
        fraction = "+" if self.rounded else f"{{1,{self.scale}}}"
        return rf"{sign}0*[0-9]{{1,{self.precision - self.scale}}}(?:\.[0-9]{fraction})?"

    @property
    def words(self) -> str:
        if self.maximum is not None:
            return f"number from {self.minimum} to {self.maximum}"
        return f"number from {self.minimum}, at most {self.scale} digits after the point"

    @property
    def sql_type(self) -> str:
        return f"decimal({self.precision},{self.scale})"


@dataclass(frozen=True)
class TimestampFormat:
    """A date or a time of day on a date, in the letters of Java's `DateTimeFormatter`; UTC."""

    format: str

    @property
    def pattern(self) -> str:
        # Java's calendar has a year 0, the one that dates are written in has not.
        return re.sub("[MdHms]", "[0-9]", self.format).replace("yyyy", "(?!0000)[0-9]{4}")

    @property
    def words(self) -> str:
        return f"`{self.format}`"

    @property
    def sql_type(self) -> str:
        return "timestamp" if "HH" in self.format else "date"


FieldFormat = Union[TextFormat, BooleanFormat, IntegerFormat, DecimalFormat, TimestampFormat]
