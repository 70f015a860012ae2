"""What additions have to do when the server ends: above all, to end what they started."""

from __future__ import annotations

import logging
from collections.abc import Callable

_calls: list[Callable[[], None]] = []


def on_shutdown(call: Callable[[], None]) -> None:
    """Have it called once when the server ends; what raises keeps nothing else from ending."""
    _calls.append(call)


def run_shutdown_hooks() -> None:
    """Call them all, the last one first."""
    while _calls:
        call = _calls.pop()
        try:
            call()
        except Exception:
            # The next one has to end its processes too.
            logging.getLogger(__name__).exception("something did not end as it should")
