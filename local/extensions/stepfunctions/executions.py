"""How executions end: aborted executions stay aborted, and state machines can time out.

MiniStack ignores the timeout of a state machine, lets a task that fails after an abort change the
execution's status to FAILED, lets a Catch of States.ALL match errors that it cannot catch on AWS,
and omits the reason of an abort from the event that it sends to EventBridge.
"""

from __future__ import annotations

import contextvars
import json
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from local.extensions.patching.patches import replace, resolve

STEP_FUNCTIONS = "ministack.services.stepfunctions"
_EVENTBRIDGE = "ministack.services.eventbridge"
# States.ALL does not match these errors. AWS does not document whether their own names do.
_NOT_IN_STATES_ALL = ("States.Runtime", "States.DataLimitExceeded")

Execution = dict[str, Any]
"""MiniStack's record of an execution."""

current_execution: contextvars.ContextVar[Execution | None] = contextvars.ContextVar(
    "current_execution", default=None
)
"""The execution that runs in the current context."""

stop_events: contextvars.ContextVar[tuple[threading.Event, ...]] = contextvars.ContextVar(
    "stop_events", default=()
)
"""One event per Parallel state around the current task, set when one of its branches has failed."""


class TaskStoppedError(BaseException):
    """The execution or the branch of a task has ended, so the task stops.

    Derived from BaseException so that no error handling of a state can catch it.
    """


_originals: dict[str, Callable[..., Any]] = {}


def install() -> None:
    """Replace how an execution runs and fails, what a Catch matches, and what EventBridge gets."""
    _originals["run"] = replace(STEP_FUNCTIONS, "_run_execution", _run, ("exec_arn",))
    _originals["fail"] = replace(
        STEP_FUNCTIONS, "_fail_execution", _fail, ("execution", "error", "cause")
    )
    _originals["matches"] = replace(
        STEP_FUNCTIONS, "_error_matches", _error_matches, ("error_equals", "error")
    )
    _originals["put_events"] = replace(
        _EVENTBRIDGE, "_put_events", _put_events, ("data", "allow_aws_source")
    )


def create_task_error(error: str, cause: str) -> Exception:
    """Create the exception that fails a task with an error name and a cause."""
    exception: Exception = resolve(STEP_FUNCTIONS, "_ExecutionError", ("error", "cause"))(
        error, cause
    )
    return exception


def check_running() -> None:
    """Check that the current task still has to run.

    Raises:
        TaskStoppedError: The execution has ended, or another branch of a Parallel state around the
            task has failed.
    """
    execution = current_execution.get()
    has_ended = execution is not None and execution["status"] != "RUNNING"
    if has_ended or any(event.is_set() for event in stop_events.get()):
        raise TaskStoppedError


def add_event(execution: Execution, event_type: str, details: dict[str, Any]) -> None:
    """Add an event to an execution's history."""
    resolve(STEP_FUNCTIONS, "_add_event", ("execution", "event_type", "details"))(
        execution, event_type, details
    )


def _run(exec_arn: str) -> None:
    execution = resolve(STEP_FUNCTIONS, "_executions").get(exec_arn)
    current_execution.set(execution)
    timer = _start_timer(execution) if execution is not None else None
    try:
        with suppress(TaskStoppedError):
            _originals["run"](exec_arn)
    finally:
        if timer is not None:
            timer.cancel()


def _start_timer(execution: Execution) -> threading.Timer | None:
    machine = resolve(STEP_FUNCTIONS, "_state_machines").get(execution["stateMachineArn"])
    seconds = json.loads(machine["definition"]).get("TimeoutSeconds") if machine else None
    if seconds is None:
        return None
    # MiniStack keeps the current account and region in the context.
    context = contextvars.copy_context()
    timer = threading.Timer(seconds, context.run, args=(_time_out, execution))
    timer.daemon = True
    timer.start()
    return timer


def _time_out(execution: Execution) -> None:
    if execution["status"] != "RUNNING":
        return
    execution["status"] = "TIMED_OUT"
    execution["stopDate"] = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
    add_event(execution, "ExecutionTimedOut", {"executionTimedOutEventDetails": {}})
    resolve(STEP_FUNCTIONS, "_emit_execution_status_event", ("execution",))(execution)


def _fail(execution: Execution, error: str, cause: str) -> None:
    if execution["status"] == "RUNNING":
        _originals["fail"](execution, error, cause)


def _error_matches(error_equals: list[str], error: str) -> bool:
    if error in _NOT_IN_STATES_ALL:
        return error in error_equals
    return bool(_originals["matches"](error_equals, error))


def _put_events(data: dict[str, Any], allow_aws_source: bool = False) -> Any:
    for entry in data.get("Entries", []) if allow_aws_source else []:
        if entry.get("Source") == "aws.states":
            entry["Detail"] = _add_abort_reason(entry["Detail"])
    return _originals["put_events"](data, allow_aws_source)


def _add_abort_reason(detail_json: str) -> str:
    detail = json.loads(detail_json)
    execution = resolve(STEP_FUNCTIONS, "_executions").get(detail["executionArn"])
    if detail["status"] == "ABORTED" and execution is not None:
        detail |= {name: execution.get(name) for name in ("error", "cause")}
    return json.dumps(detail)
