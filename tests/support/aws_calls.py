"""Control the AWS calls of the code under test: observe them, or make them fail or crash."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError

Perform = Callable[[BaseClient, str, dict[str, Any]], Any]
"""Performs a call: receives the client, the operation, and the arguments."""


class Crash(BaseException):
    """The end of the process. No code under test may catch it."""


def intercept_calls(
    monkeypatch: pytest.MonkeyPatch,
    handle: Callable[[Perform, BaseClient, str, dict[str, Any]], Any],
) -> None:
    """Handle each AWS call by a function.

    Args:
        monkeypatch: Limits the effect to a test.
        handle: Receives the function that performs a call, the client, the operation, and the
            arguments. Returns the response.
    """
    # Calls of all clients go through this method, which the type stubs omit because it is private.
    perform: Perform = BaseClient._make_api_call  # type: ignore[attr-defined]

    def call(client: BaseClient, operation: str, arguments: dict[str, Any]) -> Any:
        return handle(perform, client, operation, arguments)

    monkeypatch.setattr(BaseClient, "_make_api_call", call)


def watch_calls(
    monkeypatch: pytest.MonkeyPatch, after: Callable[[str, dict[str, Any], Any], None]
) -> None:
    """Call a function after each AWS call has taken effect.

    Args:
        monkeypatch: Limits the effect to a test.
        after: Receives the operation, the arguments, and the response.
    """

    def call(
        perform: Perform, client: BaseClient, operation: str, arguments: dict[str, Any]
    ) -> Any:
        response = perform(client, operation, arguments)
        after(operation, arguments, response)
        return response

    intercept_calls(monkeypatch, call)


def crash_after(monkeypatch: pytest.MonkeyPatch, number: int) -> list[str]:
    """Crash after an AWS call has taken effect.

    Args:
        monkeypatch: Limits the effect to a test.
        number: Number of the call, starting from 1.

    Returns:
        A list to which each call adds its operation.
    """
    operations: list[str] = []

    def count(operation: str, *_: Any) -> None:
        operations.append(operation)
        if len(operations) == number:
            raise Crash

    watch_calls(monkeypatch, count)
    return operations


def serialize_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make each AWS call atomic, as it is in AWS. In moto, the calls of threads can overlap."""
    lock = threading.Lock()

    def call(perform: Perform, *arguments: Any) -> Any:
        with lock:
            return perform(*arguments)

    intercept_calls(monkeypatch, call)


def create_error(
    operation: str, code: str, status: int = 400, message: str = "denied"
) -> ClientError:
    """Return the error that boto3 raises for an error code and HTTP status of AWS."""
    return ClientError(
        {
            "Error": {"Code": code, "Message": message},
            "ResponseMetadata": {"HTTPStatusCode": status},  # type: ignore[typeddict-item]
        },
        operation,
    )


def fail_calls(
    monkeypatch: pytest.MonkeyPatch,
    *operations: str,
    code: str = "AccessDenied",
    message: str = "denied",
) -> None:
    """Make all calls of these operations fail before they take effect."""

    def call(
        perform: Perform, client: BaseClient, operation: str, arguments: dict[str, Any]
    ) -> Any:
        if operation in operations:
            raise create_error(operation, code, message=message)
        return perform(client, operation, arguments)

    intercept_calls(monkeypatch, call)
