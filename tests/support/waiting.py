"""Wait for other processes."""

from __future__ import annotations

import time
from collections.abc import Callable

_INTERVAL = 0.1  # seconds


def wait_until(condition: Callable[[], bool], timeout: float = 60.0) -> bool:
    """Return whether the condition becomes true within `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(_INTERVAL)
    return True
