"""Standing between our code and boto3: counting calls, refusing or crashing, keeping them apart."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError


class Crash(BaseException):
    """The process is gone: nothing of ours may catch it."""


def watch_calls(
    monkeypatch: pytest.MonkeyPatch, after: Callable[[str, dict[str, Any], Any], None]
) -> None:
    """Call `after` with operation, arguments and answer when an AWS call has taken effect."""
    original = BaseClient._make_api_call  # type: ignore[attr-defined]

    def call(self: BaseClient, operation: str, arguments: dict[str, Any]) -> Any:
        answer = original(self, operation, arguments)
        after(operation, arguments, answer)
        return answer

    monkeypatch.setattr(BaseClient, "_make_api_call", call)


def crash_after(monkeypatch: pytest.MonkeyPatch, number: int) -> list[str]:
    """Crash once when so many calls have taken effect; the list fills with the calls made."""
    made: list[str] = []

    def count(operation: str, *_: Any) -> None:
        made.append(operation)
        if len(made) == number:
            raise Crash

    watch_calls(monkeypatch, count)
    return made


def one_call_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """AWS answers each call as a whole; moto's threads would meet within one."""
    lock = threading.Lock()
    original = BaseClient._make_api_call  # type: ignore[attr-defined]

    def call(self: BaseClient, operation: str, arguments: dict[str, Any]) -> Any:
        with lock:
            return original(self, operation, arguments)

    monkeypatch.setattr(BaseClient, "_make_api_call", call)


def refusal(operation: str, code: str, status: int = 400, words: str = "no") -> ClientError:
    """What boto3 raises when AWS answers an operation with that code and HTTP status."""
    return ClientError(
        {"Error": {"Code": code, "Message": words}, "ResponseMetadata": {"HTTPStatusCode": status}},  # type: ignore[typeddict-item]
        operation,
    )


def refuse(
    monkeypatch: pytest.MonkeyPatch,
    *operations: str,
    code: str = "AccessDenied",
    words: str = "no",
) -> None:
    """Let AWS answer these operations with an error from now on."""
    original = BaseClient._make_api_call  # type: ignore[attr-defined]

    def call(self: BaseClient, operation: str, arguments: dict[str, Any]) -> Any:
        if operation in operations:
            raise refusal(operation, code, words=words)
        return original(self, operation, arguments)

    monkeypatch.setattr(BaseClient, "_make_api_call", call)
