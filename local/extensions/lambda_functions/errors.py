"""Errors of Lambda functions keep the exception's type and stack trace.

MiniStack reports every exception of a handler as `Runtime.HandlerError`. The state machine's Retry
and Catch match errors by their type, and the failure email shows it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from local.extensions.patching.patches import PatchError, replace, resolve

_RUNTIME = "ministack.core.lambda_runtime"
_LAMBDA = "ministack.services.lambda_svc"
# What MiniStack's worker script returns when the handler has raised an exception, and its
# replacement.
_ERROR_RESULT = '{"status": "error", "error": str(e), "trace": traceback.format_exc()}'
_TYPED_ERROR_RESULT = (
    '{"status": "error", "error": str(e), "trace": traceback.format_exc(), '
    '"type": type(e).__name__, "frames": traceback.format_tb(e.__traceback__)[1:]}'
)
_GENERIC_ERROR = "Runtime.HandlerError"
_WORKER_DIED = "Worker process died"

# The worker's result of the invocation that the current thread handles.
_invocation = threading.local()
_originals: dict[str, Callable[..., Any]] = {}


def install() -> None:
    """Add the exception's type to the worker's result and to the function's response."""
    script = resolve(_RUNTIME, "_PYTHON_WORKER_SCRIPT")
    if _TYPED_ERROR_RESULT not in script:
        if script.count(_ERROR_RESULT) != 1:
            raise PatchError(
                f"{__name__}: {_RUNTIME}._PYTHON_WORKER_SCRIPT has an unexpected error format"
            )
        resolve(_RUNTIME, "__dict__")["_PYTHON_WORKER_SCRIPT"] = script.replace(
            _ERROR_RESULT, _TYPED_ERROR_RESULT
        )
    _originals["invoke"] = replace(
        _RUNTIME,
        "Worker.invoke",
        _invoke_worker,
        (
            *("self", "event", "request_id"),
            *("trace_id", "depth", "durable", "invoked_function_arn"),
        ),
    )
    _originals["execute"] = replace(
        _LAMBDA, "_execute_function_warm", _execute_function, ("func", "event", "request_id")
    )


def _invoke_worker(worker: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
    result: dict[str, Any] = _originals["invoke"](worker, *args, **kwargs)
    _invocation.result = result
    return result


def _execute_function(func: dict[str, Any], event: Any, request_id: str) -> dict[str, Any]:
    _invocation.result = {}
    response: dict[str, Any] = _originals["execute"](func, event, request_id)
    body = response.get("body")
    if not response.get("error") or not isinstance(body, dict):
        return response
    result = _invocation.result
    if body.get("errorType") == _GENERIC_ERROR and "type" in result:
        body |= {
            "errorType": result["type"],
            "requestId": request_id,
            "stackTrace": result["frames"],
        }
    elif result.get("error") == _WORKER_DIED:
        body |= {
            "errorType": "Runtime.ExitError",
            "errorMessage": f"RequestId: {request_id} Error: Runtime exited",
        }
    return response
