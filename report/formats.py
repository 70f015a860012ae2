"""Numbers, dates, and texts as the page shows them."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal

from contract.text import escape_control_characters

NONE = "-"
"""Stands for a number that does not exist."""

_MAX_TEXT = 60
_CENT = Decimal("0.01")
_TENTH = Decimal("0.1")
_UNITS = ((Decimal(10) ** 9, "B"), (Decimal(10) ** 6, "M"), (Decimal(10) ** 3, "k"))


def text(value: str | None, limit: int = _MAX_TEXT) -> str:
    """Return a text of the input in one line: without control characters, and limited."""
    if not value:
        return NONE
    line = escape_control_characters(value)
    return line if len(line) <= limit else f"{line[: limit - 1]}…"


def count(value: int | Decimal) -> str:
    """Return a count with separators."""
    return f"{value:,}"


def signed_count(value: int) -> str:
    """Return a difference of counts with its sign."""
    return f"{value:+,}" if value else "0"


def money(value: Decimal | None) -> str:
    """Return an amount with two decimal places."""
    return NONE if value is None else f"{value.quantize(_CENT, ROUND_HALF_UP):,}"


def signed_money(value: Decimal) -> str:
    """Return a difference of amounts with its sign."""
    return f"{value.quantize(_CENT, ROUND_HALF_UP):+,}" if value else "0.00"


def share(part: int | Decimal, total: int | Decimal) -> str:
    """Return a share as a percentage with one decimal place."""
    if not total:
        return NONE
    return f"{(Decimal(100) * part / total).quantize(_TENTH, ROUND_HALF_UP)}%"


def change(value: Decimal | None) -> str:
    """Return a relative change in percent with its sign."""
    return NONE if value is None else f"{value.quantize(_TENTH, ROUND_HALF_UP):+,}%"


def compact(value: Decimal) -> str:
    """Return a number with three digits and a unit, such as `1.25M`."""
    for unit_size, unit in _UNITS:
        if abs(value) >= unit_size:
            scaled = value / unit_size
            digits = max(0, 2 - scaled.adjusted())
            rounded = scaled.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)
            short = f"{rounded:f}"
            return (short.rstrip("0").rstrip(".") if "." in short else short) + unit
    return f"{value:,}" if value == int(value) else money(value)


def day(value: date) -> str:
    """Return a date, such as `31 May 2024`."""
    return f"{value.day} {value:%b} {value.year}"


def days(first: date, last: date) -> str:
    """Return a range of dates, such as `25 to 31 May 2024`."""
    if first == last:
        return day(first)
    if (first.year, first.month) == (last.year, last.month):
        return f"{first.day} to {day(last)}"
    if first.year == last.year:
        return f"{first.day} {first:%b} to {day(last)}"
    return f"{day(first)} to {day(last)}"


def iso_days(first: str, last: str) -> str:
    """Return a range of dates in ISO 8601, as `days` does."""
    return days(date.fromisoformat(first), date.fromisoformat(last))


def time(value: str) -> str:
    """Return a time in ISO 8601 as `25 Nov 2026, 09:13 UTC`."""
    parsed = datetime.fromisoformat(value)
    utc = parsed.astimezone(UTC) if parsed.tzinfo else parsed
    return f"{day(utc.date())}, {utc:%H:%M} UTC"


def day_and_time(value: str) -> str:
    """Return a time in ISO 8601 as `25 Nov, 09:13`."""
    parsed = datetime.fromisoformat(value)
    return f"{parsed.day} {parsed:%b, %H:%M}"


def seconds(value: float) -> str:
    """Return a duration, such as `12.3 s` or `4 min 5 s`."""
    if value < 60:  # noqa: PLR2004 - seconds in a minute
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def size(value: int) -> str:
    """Return a size in bytes with a unit."""
    for power, unit in ((3, "GB"), (2, "MB"), (1, "kB")):
        if value >= 1000**power:
            return f"{value / 1000**power:.1f} {unit}"
    return f"{value} B"
