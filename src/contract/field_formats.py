"""The formats of input fields: the type of the values and how they are written as text.

Each format has these properties:

- `regex`: A regular expression that matches the complete, trimmed field of a valid value. It has
  the same meaning in Python's `re` and in Java.
- `canonical_regex`: A regular expression of Java that matches only trimmed fields in the most
  common notation, in ASCII and without quotes and commas. Such a field also matches `regex`. The
  time is linear in the length of the field, and the stack space does not depend on it.
- `description`: The notation, for the data dictionary.
- `sql_type`: The type of the values, spelled as Spark, Glue, and Athena expect.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Union

# All printable ASCII characters except for space, quotation mark, and comma.
_VISIBLE = r"[!#-+\--~]"

CANONICAL_TEXT = rf"{_VISIBLE}+(?: +{_VISIBLE}+)*+"
"""The regular expression of text in printable ASCII characters that needs no quotes."""


@dataclass(frozen=True)
class TextFormat:
    """Text, kept as it is or converted to one case.

    Attributes:
        case: `"lower"` or `"upper"` to convert the text to that case, `None` to keep it.
        regex: The regular expression that a valid field matches; `None` if any text is valid.
        description: The notation, for the data dictionary.
    """

    case: str | None = None
    regex: str | None = None
    description: str = "text"

    @property
    def canonical_regex(self) -> str:
        """The regular expression of the most common notation."""
        return self.regex or CANONICAL_TEXT

    @property
    def sql_type(self) -> str:
        """The SQL type of the values."""
        return "string"


@dataclass(frozen=True)
class BooleanFormat:
    """A boolean, written as `0` or `1`."""

    regex = canonical_regex = "[01]"
    description = "0 or 1"
    sql_type = "boolean"


@dataclass(frozen=True)
class IntegerFormat:
    """Digits without a sign, up to the largest signed 32-bit integer."""

    regex = "0*[0-9]{1,10}"
    canonical_regex = "[0-9]{1,9}"
    description = "digits"
    sql_type = "int"
    maximum = 2**31 - 1


@dataclass(frozen=True)
class DecimalFormat:
    """A decimal number without an exponent. A sign is valid only if `minimum` is negative.

    Attributes:
        precision: The maximum number of digits.
        scale: The number of those digits that follow the decimal point.
        minimum: The smallest valid value.
        maximum: The largest valid value; `None` if only the precision limits it.
        round_excess: Whether a value with more than `scale` fraction digits is rounded half up. If
            not, it is invalid.
    """

    precision: int
    scale: int
    minimum: int
    maximum: int | None = None
    round_excess: bool = False

    @property
    def regex(self) -> str:
        """The regular expression that a valid field matches."""
        sign = "[+-]?" if self.minimum < 0 else ""
        fraction = "+" if self.round_excess else f"{{1,{self.scale}}}"
        return rf"{sign}0*[0-9]{{1,{self.precision - self.scale}}}(?:\.[0-9]{fraction})?"

    @property
    def canonical_regex(self) -> str:
        """The regular expression of the most common notation."""
        sign = "-?" if self.minimum < 0 else ""
        # With one excess digit, rounding needs no other digits.
        digits = self.scale + 1 if self.round_excess else self.scale
        return rf"{sign}[0-9]{{1,{self.precision - self.scale}}}(?:\.[0-9]{{1,{digits}}})?"

    @property
    def description(self) -> str:
        """The notation, for the data dictionary."""
        if self.maximum is not None:
            return f"number from {self.minimum} to {self.maximum}"
        return f"number, at least {self.minimum}, with at most {self.scale} decimal places"

    @property
    def sql_type(self) -> str:
        """The SQL type of the values."""
        return f"decimal({self.precision},{self.scale})"


@dataclass(frozen=True)
class TimestampFormat:
    """A date, or a date with a time of day, in UTC.

    Attributes:
        datetime_pattern: The notation, as a pattern of Java's `DateTimeFormatter`.
    """

    datetime_pattern: str

    @property
    def regex(self) -> str:
        """The regular expression that a valid field matches."""
        digits = re.sub("[MdHms]", "[0-9]", self.datetime_pattern)
        # Java accepts year 0, which does not exist in the calendar of the input files.
        return digits.replace("yyyy", "(?!0000)[0-9]{4}")

    @property
    def canonical_regex(self) -> str:
        """The regular expression of the most common notation."""
        return self.regex

    @property
    def is_iso(self) -> bool:
        """Whether the notation is that of ISO 8601, with a space between date and time."""
        return self.datetime_pattern in ("yyyy-MM-dd", "yyyy-MM-dd HH:mm:ss")

    @property
    def description(self) -> str:
        """The notation, for the data dictionary."""
        return f"`{self.datetime_pattern}`"

    @property
    def sql_type(self) -> str:
        """The SQL type of the values."""
        return "timestamp" if "HH" in self.datetime_pattern else "date"


FieldFormat = Union[TextFormat, BooleanFormat, IntegerFormat, DecimalFormat, TimestampFormat]
