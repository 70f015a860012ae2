"""An execution's end, as Step Functions decides it: aborted stays aborted, and time runs out.

MiniStack knows no time-out of a state machine, lets a task that fails after an abort turn the
execution into a failed one, lets a Catch of States.ALL see what no Catch on AWS sees, and does not
tell EventBridge why somebody stopped an execution.
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

MODULE = "ministack.services.stepfunctions"
_EVENTS = "ministack.services.eventbridge"
# Nothing catches them but their own names, and AWS does not even promise that.
_UNCAUGHT = ("States.Runtime", "States.DataLimitExceeded")

Execution = dict[str, Any]
current: contextvars.ContextVar[Execution | None] = contextvars.ContextVar("current", default=None)
# Set when a Parallel state around this task has failed without it.
stopped: contextvars.ContextVar[tuple[threading.Event, ...]] = contextvars.ContextVar(
    "stopped", default=()
)


class StoppedError(BaseException):
    """Whatever this task does no longer matters. Below BaseException: no state may handle it."""


_originals: dict[str, Callable[..., Any]] = {}


def install() -> None:
    """Replace how an execution is run and failed, and what a Catch matches."""
    _originals["run"] = replace(MODULE, "_run_execution", _run, ("exec_arn",))
    _originals["fail"] = replace(MODULE, "_fail_execution", _fail, ("execution", "error", "cause"))
    _originals["match"] = replace(MODULE, "_error_matches", _matches, ("error_equals", "error"))
    parameters = ("data", "allow_aws_source")
    _originals["put_events"] = replace(_EVENTS, "_put_events", _put_events, parameters)


def failure(error: str, cause: str) -> Exception:
    """What a task raises to fail with that error's name and cause."""
    made: Exception = resolve(MODULE, "_ExecutionError", ("error", "cause"))(error, cause)
    return made


def check_running() -> None:
    """StoppedError when the execution, or the branch that this task belongs to, is over."""
    execution = current.get()
    is_over = execution is not None and execution["status"] != "RUNNING"
    if is_over or any(event.is_set() for event in stopped.get()):
        raise StoppedError


def _run(exec_arn: str) -> None:
    execution = resolve(MODULE, "_executions").get(exec_arn)
    current.set(execution)
    timer = _start_timer(execution) if execution is not None else None
    try:
        with suppress(StoppedError):
            _originals["run"](exec_arn)
    finally:
        if timer is not None:
            timer.cancel()


def _start_timer(execution: Execution) -> threading.Timer | None:
    machine = resolve(MODULE, "_state_machines").get(execution["stateMachineArn"])
    seconds = json.loads(machine["definition"]).get("TimeoutSeconds") if machine else None
    if seconds is None:
        return None
    # The account and region that the emulator works for are in the context.
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
    resolve(MODULE, "_emit_execution_status_event", ("execution",))(execution)


def add_event(execution: Execution, kind: str, details: dict[str, Any]) -> None:
    """Add an event to the execution's history."""
    resolve(MODULE, "_add_event", ("execution", "event_type", "details"))(execution, kind, details)


def _fail(execution: Execution, error: str, cause: str) -> None:
    if execution["status"] == "RUNNING":
        _originals["fail"](execution, error, cause)


def _matches(error_equals: list[str], error: str) -> bool:
    if error in _UNCAUGHT:
        return error in error_equals
    return bool(_originals["match"](error_equals, error))


def _put_events(data: dict[str, Any], allow_aws_source: bool = False) -> Any:
    for entry in data.get("Entries", []) if allow_aws_source else []:
        if entry.get("Source") == "aws.states":
            entry["Detail"] = _with_reason(entry["Detail"])
    return _originals["put_events"](data, allow_aws_source)


def _with_reason(detail: str) -> str:
    told = json.loads(detail)
    execution = resolve(MODULE, "_executions").get(told["executionArn"])
    if told["status"] == "ABORTED" and execution is not None:
        told |= {name: execution.get(name) for name in ("error", "cause")}
    return json.dumps(told)
