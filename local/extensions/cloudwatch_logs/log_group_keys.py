"""The call AssociateKmsKey, which sets the KMS key of a log group."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from local.extensions.patching.patches import replace, resolve
from local.extensions.patching.responses import Response, error_response, success_response

_LOGS = "ministack.services.cloudwatch_logs"
_REQUEST_PARAMETERS = ("method", "path", "headers", "body", "query_params")

_originals: dict[str, Callable[..., Awaitable[Response]]] = {}


def install() -> None:
    """Add the call to the API."""
    _originals["request"] = replace(_LOGS, "handle_request", _handle_request, _REQUEST_PARAMETERS)


async def _handle_request(
    method: str, path: str, headers: dict[str, str], body: bytes, query_params: dict[str, Any]
) -> Response:
    if headers.get("x-amz-target", "").endswith(".AssociateKmsKey"):
        # The original reports a body that is not JSON.
        with suppress(ValueError):
            return _associate_key(json.loads(body))
    return await _originals["request"](method, path, headers, body, query_params)


def _associate_key(request: dict[str, Any]) -> Response:
    name = request.get("logGroupName")
    group = resolve(_LOGS, "_log_groups").get(name)
    if group is None:
        return error_response(
            "ResourceNotFoundException", f"The specified log group does not exist: {name}"
        )
    group["kmsKeyId"] = request["kmsKeyId"]
    return success_response({})
