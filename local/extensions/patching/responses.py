"""Responses of JSON APIs in MiniStack's form."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from local.extensions.patching.patches import resolve

Response = tuple[int, dict[str, str], bytes]
"""Status code, headers, and body."""

_RESPONSES = "ministack.core.responses"


def success_response(content: dict[str, Any]) -> Response:
    """Build the response of a successful request."""
    response: Response = resolve(_RESPONSES, "json_response")(content)
    return response


def error_response(code: str, message: str, **options: Any) -> Response:
    """Build the response of an invalid request, with status 400.

    Args:
        code: The error's code, such as `ValidationException`.
        message: The error's message.
        **options: Further arguments of MiniStack's `error_response_json`.
    """
    response: Response = resolve(_RESPONSES, "error_response_json")(code, message, 400, **options)
    return response


def to_json_value(value: Any, format_timestamp: Callable[[datetime], Any]) -> Any:
    """Convert a value of a boto3 response to one that JSON can represent.

    Args:
        value: Dictionaries, lists, and scalars, nested to any depth.
        format_timestamp: Converts a timestamp. The format differs between services.
    """
    if isinstance(value, dict):
        return {name: to_json_value(item, format_timestamp) for name, item in value.items()}
    if isinstance(value, list):
        return [to_json_value(item, format_timestamp) for item in value]
    return format_timestamp(value) if isinstance(value, datetime) else value
