"""The permissions of the functions for the ledger, as the template grants them.

moto allows every call. This module denies what the policies of the function's role deny, so that
each functional test also shows that the conditions on the keys of items allow what the code does.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import cache
from typing import Any

import pytest
from botocore.client import BaseClient

from tests.infra.support.policy_evaluation import role_allows
from tests.support import aws_calls

_TABLE: Any = {"Fn::GetAtt": ["LedgerTable", "Arn"]}


def enforce_ledger_permissions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Deny calls of DynamoDB by a handler for which its role has no permission."""

    def call(
        perform: aws_calls.Perform, client: BaseClient, operation: str, arguments: dict[str, Any]
    ) -> Any:
        if client.meta.service_model.service_name == "dynamodb":
            role = _find_role()
            if role and not _is_allowed(role, operation, *_get_resource(arguments)):
                raise aws_calls.create_error(
                    operation, "AccessDeniedException", message=f"{role}: denied"
                )
        return perform(client, operation, arguments)

    aws_calls.intercept_calls(monkeypatch, call)


def _find_role() -> str | None:
    """Return the role of the handler that is running, or None if a test calls DynamoDB itself."""
    frame = sys._getframe()
    while frame.f_back is not None:
        frame = frame.f_back
        module = str(frame.f_globals.get("__name__"))
        if module.startswith("tests.") and module not in (__name__, aws_calls.__name__):
            return None  # The test calls DynamoDB while the handler is running.
        if module.startswith("handlers.") and frame.f_code.co_name == "handler":
            words = module.removeprefix("handlers.").split("_")
            return f"{''.join(word.title() for word in words)}Role"
    return None


def _get_resource(arguments: Mapping[str, Any]) -> tuple[str, str]:
    """Return the index and the partition key that a call names, each empty if there is none."""
    item = arguments.get("Key") or arguments.get("Item") or {}
    key = item.get("id", "")
    return arguments.get("IndexName", ""), key["S"] if isinstance(key, dict) else key


@cache
def _is_allowed(role: str, operation: str, index: str, key: str) -> bool:
    target = {"Fn::Sub": f"${{LedgerTable.Arn}}/index/{index}"} if index else _TABLE
    keys = {"dynamodb:LeadingKeys": [key]} if key else {}
    return role_allows(role, f"dynamodb:{operation}", target, keys)
