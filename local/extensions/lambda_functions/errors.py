"""A function's error keeps the name that its handler raised, and where it was raised.

MiniStack calls every one of them `Runtime.HandlerError`; the state machine's Retry and Catch, and
the failure mail, go by the name.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from local.extensions.patching.patches import PatchError, replace, resolve

_WORKERS = "ministack.core.lambda_runtime"
_FUNCTIONS = "ministack.services.lambda_svc"
# In the worker's script: what it answers when the handler has raised.
_ANSWER = '{"status": "error", "error": str(e), "trace": traceback.format_exc()}'
_FULL_ANSWER = (
    '{"status": "error", "error": str(e), "trace": traceback.format_exc(), '
    '"type": type(e).__name__, "frames": traceback.format_tb(e.__traceback__)[1:]}'
)
_UNNAMED = "Runtime.HandlerError"
_DIED = "Worker process died"

_last = threading.local()
_originals: dict[str, Callable[..., Any]] = {}


def install() -> None:
    """Have the worker say the error's name, and the function's answer pass it on."""
    script = resolve(_WORKERS, "_PYTHON_WORKER_SCRIPT")
    if _FULL_ANSWER not in script:
        if script.count(_ANSWER) != 1:
            raise PatchError(f"{__name__}: {_WORKERS}._PYTHON_WORKER_SCRIPT answers otherwise")
        resolve(_WORKERS, "__dict__")["_PYTHON_WORKER_SCRIPT"] = script.replace(
            _ANSWER, _FULL_ANSWER
        )
    _originals["worker"] = replace(
        _WORKERS,
        "Worker.invoke",
        _invoke_worker,
        (
            *("self", "event", "request_id"),
            *("trace_id", "depth", "durable", "invoked_function_arn"),
        ),
    )
    _originals["function"] = replace(
        _FUNCTIONS, "_execute_function_warm", _execute, ("func", "event", "request_id")
    )


def _invoke_worker(worker: Any, *arguments: Any, **keywords: Any) -> dict[str, Any]:
    answer: dict[str, Any] = _originals["worker"](worker, *arguments, **keywords)
    _last.answer = answer
    return answer


def _execute(func: dict[str, Any], event: Any, request_id: str) -> dict[str, Any]:
    _last.answer = {}
    result: dict[str, Any] = _originals["function"](func, event, request_id)
    body = result.get("body")
    if not result.get("error") or not isinstance(body, dict):
        return result
    answer = _last.answer
    if body.get("errorType") == _UNNAMED and "type" in answer:
        body |= {
            "errorType": answer["type"],
            "requestId": request_id,
            "stackTrace": answer["frames"],
        }
    elif answer.get("error") == _DIED:
        body |= {
            "errorType": "Runtime.ExitError",
            "errorMessage": f"RequestId: {request_id} Error: Runtime exited",
        }
    return result
