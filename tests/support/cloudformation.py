"""CloudFormation's end of the wire to a custom resource."""

from __future__ import annotations

import json
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Self

from tests.functional.conftest import Context
from tests.support.events import load_event

LARGEST_ANSWER = 4096


class CloudFormation:
    """Asks a handler and takes its answers, after as many refusals as it is told to give."""

    def __init__(self, handler: Callable[..., Any]) -> None:
        self._handler = handler
        self.answers: list[dict[str, Any]] = []
        self.content_types: list[str | None] = []
        self.refusals: list[int] = []
        self.asked = 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_PUT(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.asked += 1
                status = outer.refusals.pop(0) if outer.refusals else 200
                if len(body) > LARGEST_ANSWER:
                    status = 400
                if status == 200:
                    outer.content_types.append(self.headers["Content-Type"])
                    outer.answers.append(json.loads(body))
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._url = f"http://127.0.0.1:{self._server.server_port}/answer?X-Amz-Signature=secret"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def ask(self, name: str, context: Context | None = None, **changes: Any) -> dict[str, Any]:
        """Send the event of `events/`; the answer that came."""
        event = load_event(name) | {"ResponseURL": self._url} | changes
        told = len(self.answers)
        self._handler(event, context or Context())
        (answer,) = self.answers[told:]
        assert {key: answer[key] for key in ("StackId", "RequestId", "LogicalResourceId")} == {
            key: event[key] for key in ("StackId", "RequestId", "LogicalResourceId")
        }
        return answer
