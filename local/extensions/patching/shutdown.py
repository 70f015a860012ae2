"""Shutdown hooks: what extensions do before the server exits, such as killing their processes."""

from __future__ import annotations

import logging
from collections.abc import Callable

_hooks: list[Callable[[], None]] = []


def on_shutdown(hook: Callable[[], None]) -> None:
    """Register a function to call once when the server shuts down."""
    _hooks.append(hook)


def run_shutdown_hooks() -> None:
    """Call all registered hooks, the newest first.

    A hook that raises is logged and does not prevent the others from running.
    """
    while _hooks:
        hook = _hooks.pop()
        try:
            hook()
        except Exception:
            # The remaining hooks still have processes to kill.
            logging.getLogger(__name__).exception("shutdown hook failed")
