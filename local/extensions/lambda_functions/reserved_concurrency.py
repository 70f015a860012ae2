"""The reserved concurrency of functions in CloudFormation stacks, which MiniStack ignores."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from local.extensions.patching.patches import add_entry, resolve

_PROVISIONERS = "ministack.services.cloudformation.provisioners"
_LAMBDA = "ministack.services.lambda_svc"
_FUNCTION = "AWS::Lambda::Function"
# PutFunctionConcurrency in the Lambda API Reference.
_MIN_UNRESERVED = 100

Properties = dict[str, Any]
Resource = tuple[str, Properties]

_originals: dict[str, Callable[..., Resource]] = {}


def install() -> None:
    """Set the reserved concurrency when a stack creates or updates a function."""
    handlers = resolve(_PROVISIONERS, "_RESOURCE_HANDLERS")[_FUNCTION]
    _originals.update(create=handlers["create"], update=handlers["update"])
    replacements = {"create": _create_function, "update": _update_function}
    add_entry(_PROVISIONERS, "_RESOURCE_HANDLERS", _FUNCTION, {**handlers, **replacements})


def _create_function(logical_id: str, properties: Properties, stack: str) -> Resource:
    reserved = properties.get("ReservedConcurrentExecutions")
    _check_unreserved(reserved, already_reserved=0)
    name, attributes = _originals["create"](logical_id, properties, stack)
    _set_concurrency(name, reserved)
    return name, attributes


def _update_function(
    name: str, old: Properties, properties: Properties, stack: str, logical_id: str | None = None
) -> Resource:
    reserved = properties.get("ReservedConcurrentExecutions")
    _check_unreserved(reserved, int(old.get("ReservedConcurrentExecutions") or 0))
    name, attributes = _originals["update"](name, old, properties, stack, logical_id)
    _set_concurrency(name, reserved)
    return name, attributes


def _check_unreserved(reserved: Any, already_reserved: int) -> None:
    """Check that enough concurrency remains for the functions without a reservation.

    Raises:
        ValueError: Lambda would reject the reservation.
    """
    if reserved is None:
        return
    _, _, body = resolve(_LAMBDA, "_get_account_settings")()
    unreserved = json.loads(body)["AccountLimit"]["UnreservedConcurrentExecutions"]
    if unreserved + already_reserved - int(reserved) < _MIN_UNRESERVED:
        raise ValueError(
            "Specified ReservedConcurrentExecutions for function decreases account's"
            f" UnreservedConcurrentExecution below its minimum value of [{_MIN_UNRESERVED}]."
        )


def _set_concurrency(name: str, reserved: Any) -> None:
    resolve(_LAMBDA, "_functions")[name]["concurrency"] = (
        None if reserved is None else int(reserved)
    )
