"""A clock for retries, so that a test does not wait for them."""

from __future__ import annotations

from collections.abc import Callable

import pytest


class RetryClock:
    """The time that tenacity sees. It advances only when tenacity sleeps.

    Only tenacity is patched, because other threads of the process also call `time.sleep`.

    Attributes:
        now: The time in seconds.
        waits: The duration of each sleep in seconds.
        on_sleep: What to call after each sleep.
    """

    def __init__(self, on_sleep: Callable[[], None] | None = None) -> None:
        self.now = 0.0
        self.waits: list[float] = []
        self.on_sleep = on_sleep

    def monotonic(self) -> float:
        """Return the time, as `time.monotonic` does."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Advance the time, as `time.sleep` does."""
        self.now += seconds
        self.waits.append(seconds)
        if self.on_sleep is not None:
            self.on_sleep()

    def install(self, monkeypatch: pytest.MonkeyPatch) -> RetryClock:
        """Make tenacity use this clock, and return it."""
        monkeypatch.setattr("tenacity.time", self)
        monkeypatch.setattr("tenacity.nap.time", self)
        return self
