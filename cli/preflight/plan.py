"""The planned deployment: its stack, and the values that the template's parameters will have."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from cli.check_results import CheckResult, fail, ok
from cli.target.stack import Stack
from local.errors import UserError

_TEMPLATE = Path(__file__).resolve().parents[2] / "template.yaml"
_SUBNET = "SubnetId"


@dataclass(frozen=True)
class Plan:
    """A planned deployment.

    Attributes:
        stack: Name of the stack.
        deployed: The stack with this name that exists already, or None.
        parameters: The value of each parameter that has one.
        database: Name of the Glue database that the stack creates.
    """

    stack: str
    deployed: Stack | None
    parameters: Mapping[str, str]
    database: str

    @property
    def subnet(self) -> str:
        """ID of the subnet of the clusters."""
        return self.parameters[_SUBNET]

    @property
    def instance_types(self) -> tuple[str, str]:
        """The instance types of the primary node and of the workers."""
        return self.parameters["PrimaryInstanceType"], self.parameters["WorkerInstanceType"]

    def get_number(self, name: str) -> int:
        """Return the value of a parameter that is a number."""
        return int(self.parameters[name])


def make_plan(stack: str, deployed: Stack | None, subnet: str, overrides: Iterable[str]) -> Plan:
    """Return the deployment that `sam deploy` would make.

    A parameter has the value of the option, or else the value that it has in the deployed stack, or
    else the default of the template.

    Args:
        stack: Name of the stack.
        deployed: The stack with this name that exists already, or None.
        subnet: The subnet of the clusters. Empty for the one of the deployed stack.
        overrides: Values of other parameters, in the form `Name=value`.

    Raises:
        UserError: There is no subnet, or an override is not of this form, names no parameter, or
            has no number for a parameter that is one.
    """
    definitions = read_template()["Parameters"]
    values = {
        name: str(definition["Default"])
        for name, definition in definitions.items()
        if "Default" in definition
    }
    if deployed:
        values |= {
            name: value for name, value in deployed.parameters.items() if name in definitions
        }
    values |= dict(_parse_override(override, definitions) for override in overrides)
    if subnet:
        values[_SUBNET] = subnet
    if _SUBNET not in values:
        raise UserError("the subnet of the clusters is missing: specify it with --subnet")
    database = read_template()["Resources"]["KpiDatabase"]["Properties"]["DatabaseInput"]["Name"]
    return Plan(stack, deployed, values, database)


def _parse_override(override: str, definitions: Mapping[str, Any]) -> tuple[str, str]:
    name, separator, value = override.partition("=")
    if not separator or name not in definitions:
        raise UserError(
            f"{override!r} is not the value of a parameter: use Name=value, with a name from"
            " docs/deployment.md"
        )
    if definitions[name]["Type"] == "Number" and not re.fullmatch(r"\d+", value):
        raise UserError(f"{name} must be a number, but it is {value!r}")
    return name, value


def check_parameters(plan: Plan) -> Iterator[CheckResult]:
    """Check that CloudFormation accepts the values of the parameters."""
    definitions = read_template()["Parameters"]
    problems = [
        f"{name} is {value!r}, but it {problem}"
        for name, value in plan.parameters.items()
        if (problem := _find_problem(definitions[name], value))
    ]
    yield from (fail("parameters", problem) for problem in problems)
    if not problems:
        yield ok("parameters", "the template accepts all values")


def _find_problem(definition: Mapping[str, Any], value: str) -> str:
    """Return why CloudFormation rejects the value of a parameter, or an empty string."""
    pattern = definition.get("AllowedPattern")
    if pattern and not re.fullmatch(pattern, value):
        return str(definition["ConstraintDescription"])
    allowed = [str(item) for item in definition.get("AllowedValues", [])]
    if allowed and value not in allowed:
        return f"must be one of {', '.join(allowed)}"
    if definition["Type"] == "Number":
        low, high = definition.get("MinValue", 0), definition.get("MaxValue", float("inf"))
        if not low <= int(value) <= high:
            return f"must be from {low} to {high}"
    return ""


@cache
def read_template() -> dict[str, Any]:
    """Return the template as data."""
    # The package of the SAM CLI has no type annotations.
    parse = importlib.import_module("samcli.yamlhelper").yaml_parse
    template: dict[str, Any] = parse(_TEMPLATE.read_text("utf-8"))
    return template
