"""Execution history: each event names the event before it, as on AWS.

Without `previousEventId`, nobody can tell which of two parallel states an event belongs to.
MiniStack omits it, and assigns the same ID to events that two branches of a Parallel state add at
the same moment.
"""

from __future__ import annotations

import threading
from contextvars import ContextVar
from typing import Any

from local.extensions.patching.patches import replace
from local.extensions.stepfunctions.executions import STEP_FUNCTIONS

# The ARN of an execution, and the ID of its newest event on the current path through it. Each
# branch runs in a copy of the context that its Parallel state was entered in, so its first event
# follows the Parallel state's event.
_previous_event: ContextVar[tuple[str, int]] = ContextVar("previous_event", default=("", 0))
_history_lock = threading.Lock()


def install() -> None:
    """Replace how an event is added to the history."""
    originals: dict[str, Any] = {}

    def add_event(
        execution: dict[str, Any], event_type: str, details: dict[str, Any] | None = None
    ) -> Any:
        previous_arn, previous_id = _previous_event.get()
        arn = execution.get("executionArn", "")  # an execution of TestState has no ARN
        link = {"previousEventId": previous_id if previous_arn == arn else 0}
        with _history_lock:
            event = originals["add_event"](execution, event_type, {**(details or {}), **link})
        _previous_event.set((arn, event["id"]))
        return event

    originals["add_event"] = replace(
        STEP_FUNCTIONS, "_add_event", add_event, ("execution", "event_type", "details")
    )
