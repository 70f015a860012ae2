"""A limit that turns a hang into a failure."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn


@contextmanager
def time_limit(seconds: float, subject: str) -> Iterator[None]:
    """Raise an error if the block takes longer, which must be far more than it ever should.

    Args:
        seconds: The limit.
        subject: What the block works on, for the message.

    Raises:
        TimeoutError: The block took too long.
    """

    def fail(_: int, __: FrameType | None) -> NoReturn:
        raise TimeoutError(f"not done after {seconds} seconds: {subject}")

    previous = signal.signal(signal.SIGALRM, fail)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
