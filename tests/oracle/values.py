"""Parse trimmed, non-empty fields. Each parser returns `None` for invalid text."""

import re
from collections.abc import Callable
from datetime import date, datetime, time
from decimal import MAX_EMAX, MIN_EMIN, ROUND_HALF_UP, Context, Decimal
from functools import lru_cache

CENT = Decimal("0.01")
_MICRO = Decimal("0.000001")
_EXACT = Context(prec=60, rounding=ROUND_HALF_UP)
_INTEGER_MAX = "2147483647"

_AMOUNT = re.compile(r"0*[0-9]{1,10}(\.[0-9]{1,2})?")
_COORDINATE = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")
_DIGITS = re.compile(r"[0-9]+")
_ZIP_CODE = re.compile(r"[0-9]{5}")
_DATE = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")
_DAY_FIRST = re.compile(r"([0-9]{2})-([0-9]{2})-([0-9]{4})")
_TIME = re.compile(r"([0-9]{2}):([0-9]{2}):([0-9]{2})")
_DATE_LENGTH = 10


def divide(dividend: Decimal | int, divisor: int) -> Decimal:
    """Divide and round half up to two decimal places.

    The quotient has 60 digits before it is rounded, so the result is effectively rounded once.
    """
    return _EXACT.divide(Decimal(dividend), Decimal(divisor)).quantize(CENT, ROUND_HALF_UP)


def to_hours(seconds: int, divisor: int = 1) -> Decimal:
    """Return seconds as hours, divided by `divisor`, rounded once to two decimal places."""
    return divide(seconds, 3600 * divisor)


def parse_boolean(text: str) -> bool | None:
    """Parse 0 or 1."""
    return {"0": False, "1": True}.get(text)


def parse_integer(text: str) -> int | None:
    """Parse digits, up to the largest signed 32-bit integer."""
    if not _DIGITS.fullmatch(text):
        return None
    digits = text.lstrip("0") or "0"
    # The numbers are compared as padded text, because int() rejects thousands of digits.
    if len(digits) > len(_INTEGER_MAX) or digits.zfill(len(_INTEGER_MAX)) > _INTEGER_MAX:
        return None
    return int(digits)


def parse_zip_code(text: str) -> str | None:
    """Parse five digits, which remain text."""
    return text if _ZIP_CODE.fullmatch(text) else None


def parse_amount(text: str) -> Decimal | None:
    """Parse a non-negative decimal(12,2)."""
    return Decimal(text).quantize(CENT) if _AMOUNT.fullmatch(text) else None


def coordinate_parser(limit: int) -> Callable[[str], Decimal | None]:
    """Return the parser of a decimal(9,6) whose rounded absolute value is at most `limit`."""

    def parse(text: str) -> Decimal | None:
        if not _COORDINATE.fullmatch(text):
            return None
        # Any number of digits is exact, before and after the point.
        exact = Context(prec=len(text) + 6, Emin=MIN_EMIN, Emax=MAX_EMAX)
        value = Decimal(text).quantize(_MICRO, ROUND_HALF_UP, exact)
        # Decimal("-0") is negative zero, which does not exist in a decimal column.
        value = value or abs(value)
        return value if -limit <= value <= limit else None

    return parse


@lru_cache(4096)
def parse_iso_date(text: str) -> date | None:
    """Parse yyyy-MM-dd."""
    match = _DATE.fullmatch(text)
    return _build_date(match[1], match[2], match[3]) if match else None


@lru_cache(4096)
def parse_day_first_date(text: str) -> date | None:
    """Parse dd-MM-yyyy."""
    match = _DAY_FIRST.fullmatch(text)
    return _build_date(match[3], match[2], match[1]) if match else None


def parse_iso_timestamp(text: str) -> datetime | None:
    """Parse yyyy-MM-dd HH:mm:ss."""
    return _parse_timestamp(text, parse_iso_date)


def parse_day_first_timestamp(text: str) -> datetime | None:
    """Parse dd-MM-yyyy HH:mm:ss."""
    return _parse_timestamp(text, parse_day_first_date)


def _parse_timestamp(text: str, parse_date: Callable[[str], date | None]) -> datetime | None:
    day = parse_date(text[:_DATE_LENGTH])
    clock = _TIME.fullmatch(text, _DATE_LENGTH + 1)
    if day is None or clock is None or text[_DATE_LENGTH] != " ":
        return None
    try:
        return datetime.combine(day, time(int(clock[1]), int(clock[2]), int(clock[3])))
    except ValueError:
        return None


def _build_date(year: str, month: str, day: str) -> date | None:
    try:
        return date(int(year), int(month), int(day))
    except ValueError:
        return None
