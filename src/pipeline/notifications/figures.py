"""Amounts, percentages, and days as emails show them."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

Number = Decimal | Fraction | int

_CENT = Decimal("0.01")
_EXACT_BELOW = 10_000
_UNITS = ((10**12, "T"), (10**9, "B"), (10**6, "M"), (10**3, "K"))


def format_amount(amount: Decimal) -> str:
    """Return an amount to the cent, such as `16,200,620.00`."""
    return f"{amount.quantize(_CENT, ROUND_HALF_UP):,}"


def format_difference(amount: Decimal) -> str:
    """Return a difference to the cent with its sign, such as `+760,270.00`."""
    return f"{amount.quantize(_CENT, ROUND_HALF_UP):+,}"


def format_short_amount(amount: Decimal) -> str:
    """Return an amount for a subject, such as `16.2M`. Small amounts are exact."""
    if amount < _EXACT_BELOW:
        return format_amount(amount)
    for number, (unit, suffix) in enumerate(_UNITS):
        if amount < unit:
            continue
        value = _round_to_tenth(Fraction(amount) / unit)
        is_next_unit = value >= 1000 and number  # noqa: PLR2004 - 999.96K is 1.0M
        if is_next_unit:
            return f"1.0{_UNITS[number - 1][1]}"
        return f"{value:,}{suffix}"
    return format_amount(amount)


def format_change(now: Number, before: Number) -> str:
    """Return the change in percent, such as `+2.9%`. Empty if the base is zero."""
    if not before:
        return ""
    percent = _round_to_tenth(100 * (Fraction(now) - Fraction(before)) / Fraction(before))
    return f"{percent:+,}%" if percent else "0.0%"


def format_share(part: int, total: int) -> str:
    """Return a share in percent, such as `0.8%`. A small share is not shown as zero."""
    percent = _round_to_tenth(Fraction(100 * part, total))
    return "under 0.1%" if part and not percent else f"{percent}%"


def format_day(day: date, *, with_year: bool = False) -> str:
    """Return a day, such as `31 May` or `31 May 2024`."""
    return f"{day.day} {day:%b}" + (f" {day.year}" if with_year else "")


def format_time(text: str) -> str:
    """Return a time in UTC without its year, such as `24 Nov 08:00`.

    Args:
        text: The time, ISO 8601 with a time zone. Empty if it is unknown.
    """
    if not text:
        return "an unknown time"
    time = datetime.fromisoformat(text).astimezone(UTC)
    return f"{format_day(time.date())} {time:%H:%M}"


def format_days(first: date, last: date, *, with_year: bool = False) -> str:
    """Return a short period, such as `25-31 May` or `28 May-3 Jun`."""
    end = format_day(last, with_year=with_year or first.year != last.year)
    if first == last:
        return end
    if (first.year, first.month) == (last.year, last.month):
        return f"{first.day}-{end}"
    return f"{format_day(first, with_year=first.year != last.year)}-{end}"


def format_period(first: date, last: date) -> str:
    """Return a long period, such as `1 Jan to 31 May 2024`."""
    end = format_day(last, with_year=True)
    if first == last:
        return end
    return f"{format_day(first, with_year=first.year != last.year)} to {end}"


def count(number: int, noun: str) -> str:
    """Return a number and its noun, such as `1 day` or `7 days`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _round_to_tenth(value: Fraction) -> Decimal:
    """Round half away from zero to one decimal place."""
    tenths = int(abs(value) * 10 + Fraction(1, 2))
    return Decimal(tenths if value >= 0 else -tenths).scaleb(-1)
