"""A fake of CloudFormation that sends requests to a custom resource and receives responses."""

from __future__ import annotations

import json
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Self

from tests.functional.conftest import Context
from tests.support.events import load_event

_MAX_RESPONSE_BYTES = 4096


class FakeCloudFormation:
    """Invokes a handler, and receives its responses with a local HTTP server.

    Attributes:
        responses: The accepted responses.
        content_types: The content types of the accepted responses.
        error_statuses: HTTP statuses with which the server rejects the next attempts.
        attempts: How many responses the server received, including rejected ones.
    """

    def __init__(self, handler: Callable[..., Any]) -> None:
        self._handler = handler
        self.responses: list[dict[str, Any]] = []
        self.content_types: list[str | None] = []
        self.error_statuses: list[int] = []
        self.attempts = 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_PUT(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.attempts += 1
                status = outer.error_statuses.pop(0) if outer.error_statuses else 200
                if len(body) > _MAX_RESPONSE_BYTES:
                    status = 400
                if status == 200:
                    outer.content_types.append(self.headers["Content-Type"])
                    outer.responses.append(json.loads(body))
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._url = f"http://127.0.0.1:{self._server.server_port}/response?X-Amz-Signature=secret"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def send_request(
        self, event_name: str, context: Context | None = None, **changes: Any
    ) -> dict[str, Any]:
        """Send an event in `events/`, with changed fields, and return the response."""
        event = load_event(event_name) | {"ResponseURL": self._url} | changes
        received_before = len(self.responses)
        self._handler(event, context or Context())
        (response,) = self.responses[received_before:]
        assert {key: response[key] for key in ("StackId", "RequestId", "LogicalResourceId")} == {
            key: event[key] for key in ("StackId", "RequestId", "LogicalResourceId")
        }
        return response
