"""The template as a text and as data, with CloudFormation's short forms written out."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[2]
TEMPLATE = PROJECT / "template.yaml"

FUNCTION = "AWS::Serverless::Function"

# Its package has no types.
_parse = importlib.import_module("samcli.yamlhelper").yaml_parse


def text() -> str:
    """The template as it is written, comments and all."""
    return TEMPLATE.read_text(encoding="utf-8")


@cache
def template() -> dict[str, Any]:
    """The template; `!Ref x` is `{"Ref": "x"}` and so on."""
    parsed: dict[str, Any] = _parse(text())
    return parsed


def resource(name: str) -> dict[str, Any]:
    """The properties of a resource, by its logical id."""
    properties: dict[str, Any] = template()["Resources"][name]["Properties"]
    return properties


def resources(kind: str) -> dict[str, dict[str, Any]]:
    """The properties of every resource of a type, by logical id."""
    return {
        name: found["Properties"]
        for name, found in template()["Resources"].items()
        if found["Type"] == kind
    }


def handler_module(function: str) -> str:
    """The module that a function's handler is in, such as `handlers.watchdog`."""
    module, _, _ = resource(function)["Handler"].rpartition(".")
    return str(module)


def role_of(name: str) -> str:
    """The logical id of the role that a function or state machine has."""
    return str(resource(name)["Role"]["Fn::GetAtt"][0])


def statements(role: str) -> Iterator[dict[str, Any]]:
    """The statements of a role's own policies."""
    for policy in resource(role)["Policies"]:
        yield from policy["PolicyDocument"]["Statement"]


def as_list(value: Any) -> list[Any]:
    """What may stand alone or in a list, as a list."""
    return value if isinstance(value, list) else [value]


def actions(role: str) -> set[str]:
    """Every action that a role's own policies allow."""
    return {action for found in statements(role) for action in as_list(found["Action"])}
