"""An execution's history says which event each one followed, as on AWS.

Only so can be told which of two states under way an event belongs to. MiniStack leaves it out, and
gives two branches of a Parallel state that write at the same moment the same number.
"""

from __future__ import annotations

import threading
from contextvars import ContextVar
from typing import Any

from local.extensions.patching.patches import replace
from local.extensions.stepfunctions.executions import MODULE

# Which execution, and the number of its newest event on this way through it. Each branch runs in a
# copy of the context in which its Parallel state was entered, so it goes on from there.
_last: ContextVar[tuple[str, int]] = ContextVar("last", default=("", 0))
_writing = threading.Lock()


def install() -> None:
    """Replace how an event is added."""
    originals: dict[str, Any] = {}

    def add_event(
        execution: dict[str, Any], event_type: str, details: dict[str, Any] | None = None
    ) -> Any:
        name, number = _last.get()
        arn = execution.get("executionArn", "")  # TestState has none
        previous = {"previousEventId": number if name == arn else 0}
        with _writing:
            event = originals["add"](execution, event_type, {**(details or {}), **previous})
        _last.set((arn, event["id"]))
        return event

    originals["add"] = replace(
        MODULE, "_add_event", add_event, ("execution", "event_type", "details")
    )
