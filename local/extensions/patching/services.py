"""Add services that MiniStack does not have."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from local.extensions.patching.patches import add_entry
from local.extensions.patching.responses import Response

RequestHandler = Callable[[str, str, dict[str, str], bytes, dict[str, Any]], Awaitable[Response]]
"""Responds to a request: method, path, headers, body, and query parameters."""


_IAM_ACTIONS = "ministack.core.iam_actions"


def add_service(name: str, model: str, handler: RequestHandler) -> None:
    """Add a service, whose calls IAM authorizes like those of any other.

    Args:
        name: The name in the credential scope of its requests, which is also its IAM namespace,
            such as `servicequotas`.
        model: The service as boto3 names it. IAM finds the action of a request with its model.
        handler: Responds to its requests.
    """
    add_entry("ministack.app", "SERVICE_HANDLERS", name, handler)
    add_entry(_IAM_ACTIONS, "SERVICE_TO_IAM_NAMESPACE", name, name)
    add_entry(_IAM_ACTIONS, "_BOTOCORE_SERVICE_MAP", name, [model])
