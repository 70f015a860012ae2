"""The template as text and as data, with the short forms of CloudFormation functions expanded."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[3]
TEMPLATE = PROJECT / "template.yaml"

FUNCTION = "AWS::Serverless::Function"

# The SAM CLI package has no type annotations.
_parse = importlib.import_module("samcli.yamlhelper").yaml_parse


def read_text() -> str:
    """Return the source text of the template, including comments."""
    return TEMPLATE.read_text(encoding="utf-8")


@cache
def template() -> dict[str, Any]:
    """Return the parsed template, in which `!Ref x` is `{"Ref": "x"}`."""
    parsed: dict[str, Any] = _parse(read_text())
    return parsed


def resource(name: str) -> dict[str, Any]:
    """Return the properties of a resource, given its logical ID."""
    properties: dict[str, Any] = template()["Resources"][name]["Properties"]
    return properties


def resources(resource_type: str) -> dict[str, dict[str, Any]]:
    """Return the properties of all resources of a type, by logical ID."""
    return {
        name: definition["Properties"]
        for name, definition in template()["Resources"].items()
        if definition["Type"] == resource_type
    }


def handler_module(function: str) -> str:
    """Return the module of a function's handler, such as `handlers.watchdog`."""
    module, _, _ = resource(function)["Handler"].rpartition(".")
    return str(module)


def role_of(name: str) -> str:
    """Return the logical ID of the role of a function or state machine."""
    return str(resource(name)["Role"]["Fn::GetAtt"][0])


def statements(role: str) -> Iterator[dict[str, Any]]:
    """Yield the statements of the inline policies of a role."""
    for policy in resource(role)["Policies"]:
        yield from policy["PolicyDocument"]["Statement"]


def as_list(value: Any) -> list[Any]:
    """Return a list, given a list or a single value."""
    return value if isinstance(value, list) else [value]


def actions(role: str) -> set[str]:
    """Return every action that the inline policies of a role allow."""
    return {action for statement in statements(role) for action in as_list(statement["Action"])}
