"""Hides the endpoints with which anyone could change or read MiniStack without credentials."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Application = Callable[[Scope, Callable[[], Awaitable[Any]], Callable[[Any], Awaitable[None]]], Any]

_PREFIXES = ("/_ministack/", "/_localstack/")
# The path of a response of a custom resource ends with a token that is as hard to guess as the
# signature of the URL on AWS.
_PUBLIC_PREFIXES = ("/_ministack/health", "/_ministack/cfn-response/")


def hide_administration(application: Application) -> Application:
    """Return an ASGI application that answers requests for administration with status 404."""

    async def filter_requests(scope: Scope, receive: Any, send: Any) -> None:
        path = scope.get("path", "")
        if path.startswith(_PREFIXES) and not path.startswith(_PUBLIC_PREFIXES):
            await send({"type": "http.response.start", "status": 404, "headers": []})
            await send({"type": "http.response.body", "body": b""})
        else:
            await application(scope, receive, send)

    return filter_requests
