"""Times as the pipeline writes them: ISO 8601 in UTC."""

from __future__ import annotations

from datetime import UTC, datetime

_FORMAT = "%Y-%m-%dT%H:%M:%S.%fZ"


def utc_now() -> str:
    """Return the current time as `format_utc` writes it."""
    return format_utc(datetime.now(UTC))


def format_utc(time: datetime) -> str:
    """Return a time in UTC with microseconds, so that it sorts as text.

    Args:
        time: A time with a time zone.
    """
    return time.astimezone(UTC).strftime(_FORMAT)


def parse_utc(text: str) -> datetime:
    """Return the time of a string from `format_utc` or AWS: ISO 8601 with a time zone."""
    return datetime.fromisoformat(text)
