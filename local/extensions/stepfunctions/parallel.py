"""A Parallel state fails as soon as one branch has failed, and its other branches are stopped.

MiniStack waits for all of them: a failed job would be told only when the other one is done. It also
ignores what such a state makes of its results in JSONata, lets branches share their variables, and
keeps the tasks within branches out of the history, where people look for what runs.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from local.extensions.patching.patches import replace, resolve
from local.extensions.stepfunctions.executions import (
    MODULE,
    Execution,
    StoppedError,
    add_event,
    check_running,
    stopped,
)

_STATE = ("state_def", "raw_input", "execution", "ctx")
_branches: ContextVar[tuple[Any, ...]] = ContextVar("branches", default=())
_originals: dict[str, Callable[..., Any]] = {}


def install() -> None:
    """Replace how the state and its branches are run, and a task within one."""
    _originals["parallel"] = replace(MODULE, "_run_parallel_branches", _run_parallel, _STATE)
    _originals["branch"] = replace(
        MODULE,
        "_run_sub_machine",
        _run_branch,
        ("states", "start_at", "input_data", "execution", "ctx"),
    )
    _originals["task"] = replace(MODULE, "_execute_task", _run_task, _STATE)


def _run_parallel(
    state_def: dict[str, Any], raw_input: Any, execution: Execution, ctx: dict[str, Any]
) -> tuple[Any, str | None]:
    failed = stopped.set((*stopped.get(), threading.Event()))
    own = _branches.set(tuple(branch.get("States") for branch in state_def["Branches"]))
    try:
        output, following = _originals["parallel"](state_def, raw_input, execution, ctx)
    finally:
        stopped.reset(failed)
        _branches.reset(own)
    if resolve(MODULE, "_state_query_language", ("state_def", "ctx"))(state_def, ctx) == "JSONata":
        results = output
        output = resolve(MODULE, "_apply_jsonata_output")(
            state_def, raw_input, ctx, result=results, default=results
        )
        resolve(MODULE, "_apply_state_assign")(state_def, raw_input, ctx, result=results)
    return output, following


def _run_branch(
    states: dict[str, Any],
    start_at: str,
    input_data: Any,
    execution: Execution,
    ctx: dict[str, Any],
) -> Any:
    # A Map runs its items here too, and whether one may fail is for the Map to decide.
    if not any(states is branch for branch in _branches.get()):
        return _originals["branch"](states, start_at, input_data, execution, ctx)
    own = {**ctx, "variables": dict(ctx.get("variables", {}))}
    try:
        return _originals["branch"](states, start_at, input_data, execution, own)
    except StoppedError:
        return None  # the branch that failed tells why
    except Exception:
        stopped.get()[-1].set()
        raise


def _run_task(
    state_def: dict[str, Any], raw_input: Any, execution: Execution, ctx: dict[str, Any]
) -> tuple[Any, str | None]:
    check_running()
    is_in_branch = bool(stopped.get())
    name = ctx["State"]["Name"]
    if is_in_branch:
        details = {"name": name, "input": json.dumps(raw_input)}
        add_event(execution, "TaskStateEntered", {"stateEnteredEventDetails": details})
    output, following = _originals["task"](state_def, raw_input, execution, ctx)
    if is_in_branch:
        details = {"name": name, "output": json.dumps(output)}
        add_event(execution, "TaskStateExited", {"stateExitedEventDetails": details})
    return output, following
