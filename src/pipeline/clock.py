"""Time as the pipeline writes it."""

from __future__ import annotations

from datetime import UTC, datetime

_FORMAT = "%Y-%m-%dT%H:%M:%S.%fZ"


def utc_now() -> str:
    """The time in UTC, ISO 8601 with microseconds: it sorts as text."""
    return format_utc(datetime.now(UTC))


def format_utc(moment: datetime) -> str:
    """A moment with a zone, as `utc_now` writes it."""
    return moment.astimezone(UTC).strftime(_FORMAT)


def parse_utc(text: str) -> datetime:
    """What `utc_now` or AWS wrote, read back: ISO 8601 with a zone."""
    return datetime.fromisoformat(text)
