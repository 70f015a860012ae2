"""Parallel states: the first failed branch fails the state and stops the other branches.

MiniStack waits for all branches, so it would report a failed job only when the other job ends. It
also ignores the JSONata Output and Assign of such a state, shares variables between branches, and
omits the tasks of branches from the history.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from local.extensions.patching.patches import replace, resolve
from local.extensions.stepfunctions.executions import (
    STEP_FUNCTIONS,
    Execution,
    TaskStoppedError,
    add_event,
    check_running,
    stop_events,
)

_STATE_PARAMETERS = ("state_def", "raw_input", "execution", "ctx")
# The states of each branch of the current Parallel state.
_branches: ContextVar[tuple[Any, ...]] = ContextVar("branches", default=())
_originals: dict[str, Callable[..., Any]] = {}


def install() -> None:
    """Replace how a Parallel state, its branches, and the tasks within them run."""
    _originals["parallel"] = replace(
        STEP_FUNCTIONS, "_run_parallel_branches", _run_parallel, _STATE_PARAMETERS
    )
    _originals["branch"] = replace(
        STEP_FUNCTIONS,
        "_run_sub_machine",
        _run_branch,
        ("states", "start_at", "input_data", "execution", "ctx"),
    )
    _originals["task"] = replace(STEP_FUNCTIONS, "_execute_task", _run_task, _STATE_PARAMETERS)


def _run_parallel(
    state_def: dict[str, Any], raw_input: Any, execution: Execution, ctx: dict[str, Any]
) -> tuple[Any, str | None]:
    events_token = stop_events.set((*stop_events.get(), threading.Event()))
    branches_token = _branches.set(tuple(branch.get("States") for branch in state_def["Branches"]))
    try:
        output, next_state = _originals["parallel"](state_def, raw_input, execution, ctx)
    finally:
        stop_events.reset(events_token)
        _branches.reset(branches_token)
    get_query_language = resolve(STEP_FUNCTIONS, "_state_query_language", ("state_def", "ctx"))
    if get_query_language(state_def, ctx) == "JSONata":
        results = output
        output = resolve(STEP_FUNCTIONS, "_apply_jsonata_output")(
            state_def, raw_input, ctx, result=results, default=results
        )
        resolve(STEP_FUNCTIONS, "_apply_state_assign")(state_def, raw_input, ctx, result=results)
    return output, next_state


def _run_branch(
    states: dict[str, Any],
    start_at: str,
    input_data: Any,
    execution: Execution,
    ctx: dict[str, Any],
) -> Any:
    # MiniStack also runs the items of a Map here, and a Map decides itself whether an item may
    # fail.
    if not any(states is branch for branch in _branches.get()):
        return _originals["branch"](states, start_at, input_data, execution, ctx)
    branch_ctx = {**ctx, "variables": dict(ctx.get("variables", {}))}
    try:
        return _originals["branch"](states, start_at, input_data, execution, branch_ctx)
    except TaskStoppedError:
        return None  # the failed branch raises the error
    except Exception:
        stop_events.get()[-1].set()
        raise


def _run_task(
    state_def: dict[str, Any], raw_input: Any, execution: Execution, ctx: dict[str, Any]
) -> tuple[Any, str | None]:
    check_running()
    is_in_branch = bool(stop_events.get())
    name = ctx["State"]["Name"]
    if is_in_branch:
        details = {"name": name, "input": json.dumps(raw_input)}
        add_event(execution, "TaskStateEntered", {"stateEnteredEventDetails": details})
    output, next_state = _originals["task"](state_def, raw_input, execution, ctx)
    if is_in_branch:
        details = {"name": name, "output": json.dumps(output)}
        add_event(execution, "TaskStateExited", {"stateExitedEventDetails": details})
    return output, next_state
