"""Wait for conditions that other processes fulfill."""

from __future__ import annotations

import time
from collections.abc import Callable


def wait_until(
    condition: Callable[[], bool], timeout: float = 60.0, *, interval: float = 0.1
) -> bool:
    """Wait until a condition is true.

    Args:
        condition: The condition.
        timeout: Maximum time to wait in seconds.
        interval: Time between two checks in seconds.

    Returns:
        Whether the condition became true in time.
    """
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(interval)
    return True
