"""Trimmed, non-empty texts become typed values; None says that a text is not of the type."""

import re
from collections.abc import Callable
from datetime import date, datetime, time
from decimal import ROUND_HALF_UP, Context, Decimal
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


def ratio(dividend: Decimal | int, divisor: int) -> Decimal:
    """Divide and round half up to two digits; 60 digits in between keep it one rounding."""
    return _EXACT.divide(Decimal(dividend), Decimal(divisor)).quantize(CENT, ROUND_HALF_UP)


def hours(seconds: int, shares: int = 1) -> Decimal:
    """Return seconds as hours, divided among `shares`, rounded once."""
    return ratio(seconds, 3600 * shares)


def flag(text: str) -> bool | None:
    """Read 0 or 1."""
    return {"0": False, "1": True}.get(text)


def integer(text: str) -> int | None:
    """Read an integer of at most 32 bits, digits only."""
    if not _DIGITS.fullmatch(text):
        return None
    digits = text.lstrip("0") or "0"
    # As padded texts, because int() refuses to read thousands of digits.
    if len(digits) > len(_INTEGER_MAX) or digits.zfill(len(_INTEGER_MAX)) > _INTEGER_MAX:
        return None
    return int(digits)


def zip_code(text: str) -> str | None:
    """Accept five digits, kept as text."""
    return text if _ZIP_CODE.fullmatch(text) else None


def amount(text: str) -> Decimal | None:
    """Read decimal(12,2), never negative."""
    return Decimal(text).quantize(CENT) if _AMOUNT.fullmatch(text) else None


def coordinate(limit: int) -> Callable[[str], Decimal | None]:
    """Make the reader of a decimal(9,6) that lies within plus or minus `limit` once rounded."""

    def read(text: str) -> Decimal | None:
        if not _COORDINATE.fullmatch(text):
            return None
        wide = Context(prec=len(text) + 6)
        value = Decimal(text).quantize(_MICRO, ROUND_HALF_UP, wide)
        # "-0" is read as minus zero, which no decimal column knows.
        value = value or abs(value)
        return value if -limit <= value <= limit else None

    return read


@lru_cache(4096)
def iso_date(text: str) -> date | None:
    """Read yyyy-MM-dd."""
    found = _DATE.fullmatch(text)
    return _date(found[1], found[2], found[3]) if found else None


@lru_cache(4096)
def day_first_date(text: str) -> date | None:
    """Read dd-MM-yyyy."""
    found = _DAY_FIRST.fullmatch(text)
    return _date(found[3], found[2], found[1]) if found else None


def iso_timestamp(text: str) -> datetime | None:
    """Read yyyy-MM-dd HH:mm:ss."""
    return _timestamp(text, iso_date)


def day_first_timestamp(text: str) -> datetime | None:
    """Read dd-MM-yyyy HH:mm:ss."""
    return _timestamp(text, day_first_date)


def _timestamp(text: str, read_date: Callable[[str], date | None]) -> datetime | None:
    day = read_date(text[:_DATE_LENGTH])
    clock = _TIME.fullmatch(text, _DATE_LENGTH + 1)
    if day is None or clock is None or text[_DATE_LENGTH] != " ":
        return None
    try:
        return datetime.combine(day, time(int(clock[1]), int(clock[2]), int(clock[3])))
    except ValueError:
        return None


def _date(year: str, month: str, day: str) -> date | None:
    try:
        return date(int(year), int(month), int(day))
    except ValueError:
        return None
