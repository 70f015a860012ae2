"""A clock for the pipeline, so that a test can let hours pass."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from typing import ClassVar

import pytest


class PipelineClock(datetime):
    """The class `datetime` for `pipeline.clock`, with a current time that the test sets.

    The other libraries, such as Powertools and moto, see the real time.
    """

    current: ClassVar[datetime]

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> PipelineClock:
        """Return the current time, as `datetime.now` does."""
        time = cls.current.astimezone(tz)
        return cls.fromtimestamp(time.timestamp(), tz)

    @classmethod
    def install(cls, monkeypatch: pytest.MonkeyPatch, time: str) -> type[PipelineClock]:
        """Make the pipeline use this clock from a time on, and return it.

        Args:
            monkeypatch: Limits the effect to a test.
            time: The current time, ISO 8601 with a time zone.
        """
        monkeypatch.setattr("pipeline.clock.datetime", cls)
        cls.current = datetime.fromisoformat(time).astimezone(UTC)
        return cls

    @classmethod
    def advance(cls, **duration: float) -> None:
        """Let a time pass, such as `hours=1`."""
        cls.current += timedelta(**duration)
