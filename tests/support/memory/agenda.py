"""Actions at their times, on the clock of the pipeline."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import count

from tests.support.pipeline_clock import PipelineClock

Action = Callable[[], object]


class Agenda:
    """Carries out actions in the order of their times, and sets the clock to these times."""

    def __init__(self, clock: type[PipelineClock]) -> None:
        self._clock = clock
        self._entries: list[tuple[datetime, int, Action]] = []
        self._numbers = count()

    @property
    def now(self) -> datetime:
        """The current time."""
        return self._clock.current

    def add(self, delay: timedelta, action: Action) -> None:
        """Add an action that is due after a delay."""
        heapq.heappush(self._entries, (self.now + delay, next(self._numbers), action))

    def repeat(self, interval: timedelta, action: Action) -> None:
        """Add an action that is due after each interval."""

        def act() -> None:
            self.add(interval, act)
            action()

        self.add(interval, act)

    def run_until(self, end: datetime) -> None:
        """Carry out all actions that are due before a time."""
        while self._entries and self._entries[0][0] < end:
            time, _, action = heapq.heappop(self._entries)
            self._clock.current = time
            action()
        self._clock.current = end
