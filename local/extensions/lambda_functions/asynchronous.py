"""Asynchronous invocations: events wait until the function can process them, and are retried.

MiniStack counts a throttled attempt as a failed one, so that events are lost after a few seconds,
and does not retry events from EventBridge at all.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextvars import ContextVar
from random import SystemRandom
from typing import Any

from local.extensions.patching.patches import replace, resolve

_LAMBDA = "ministack.services.lambda_svc"
_EVENTBRIDGE = "ministack.services.eventbridge"
# On AWS, the interval increases from a second to five minutes, and events are kept for up to six
# hours ("How Lambda handles errors and retries with asynchronous invocation", AWS Lambda Developer
# Guide). The intervals are shorter here, as are those after errors.
_FIRST_INTERVAL, _MAX_INTERVAL = 0.2, 3.0  # seconds
_MAX_AGE = 6 * 60 * 60  # seconds

# Whether the current thread processes an event of an asynchronous invocation.
_is_asynchronous: ContextVar[bool] = ContextVar("is_asynchronous", default=False)
_originals: dict[str, Callable[..., Any]] = {}
_random = SystemRandom()


def install() -> None:
    """Replace the asynchronous invocation, and let EventBridge use it."""
    _originals["invoke"] = replace(
        _LAMBDA, "invoke_async_with_retry", _invoke_asynchronously, ("func", "event")
    )
    _originals["execute"] = replace(
        _LAMBDA, "_execute_function", _execute_function, ("func", "event")
    )
    _originals["dispatch"] = replace(
        _EVENTBRIDGE, "_dispatch_to_lambda", _dispatch_to_lambda, ("arn", "payload")
    )


def _dispatch_to_lambda(arn: str, payload: str) -> None:
    """Invoke the function that is the target of a rule of EventBridge."""
    function, configuration, _ = resolve(_LAMBDA, "_get_func_record_for_ref")(arn)
    if not function or not configuration:
        _originals["dispatch"](arn, payload)  # logs that the function does not exist
        return
    record = resolve(_LAMBDA, "_execution_record_for_config")(function, configuration)
    _invoke_asynchronously(record, json.loads(payload))


def _invoke_asynchronously(func: dict[str, Any], event: Any) -> None:
    # The original starts a thread, which inherits the context.
    token = _is_asynchronous.set(True)
    try:
        _originals["invoke"](func, event)
    finally:
        _is_asynchronous.reset(token)


def _execute_function(func: dict[str, Any], event: Any) -> dict[str, Any]:
    """Execute a function. The event of an asynchronous invocation waits if it is throttled."""
    response: dict[str, Any] = _originals["execute"](func, event)
    if not _is_asynchronous.get() or func.get("concurrency") == 0:
        return response
    deadline = time.monotonic() + _get_max_age(func)
    interval = _FIRST_INTERVAL
    while response.get("throttle") and time.monotonic() < deadline:
        time.sleep(interval * _random.uniform(0.5, 1))
        interval = min(2 * interval, _MAX_INTERVAL)
        response = _originals["execute"](func, event)
    return response


def _get_max_age(func: dict[str, Any]) -> float:
    configuration = func.get("event_invoke_config") or {}
    return float(configuration.get("MaximumEventAgeInSeconds", _MAX_AGE))
