"""The state machine's definition, read as Step Functions reads it: substitutions, JSONata, ways."""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DEFINITION = Path(__file__).resolve().parents[2] / "statemachine" / "pipeline.asl.json"

# Its package has no types.
_jsonata = importlib.import_module("jsonata")
_NULL = importlib.import_module("jsonata.utils").Utils.NULL_VALUE

SUBSTITUTIONS = {
    "PinInputsArn": "arn:aws:lambda:eu-west-1:123456789012:function:PinInputs",
    "CheckRunArn": "arn:aws:lambda:eu-west-1:123456789012:function:CheckRun",
    "PublishResultsArn": "arn:aws:lambda:eu-west-1:123456789012:function:PublishResults",
    "ReportFailureArn": "arn:aws:lambda:eu-west-1:123456789012:function:ReportFailure",
    "LedgerTableName": "rental-kpi-ledger",
    "BucketName": "rental-kpi-data",
    "ScriptsPrefix": "emr-scripts/0123abcd",
    "StackName": "rental-kpi",
    "EmrRelease": "emr-7.13.0",
    "PrimaryInstanceType": "m7g.xlarge",
    "WorkerInstanceType": "m7g.2xlarge",
    "MaxWorkers": "10",
    "SpotPercent": "60",
    "SubnetId": "subnet-0123456789abcdef0",
    "EmrServiceRole": "rental-kpi-emr",
    "EmrInstanceProfile": "rental-kpi-emr-instances",
    "EmrSecurityConfiguration": "rental-kpi-security",
    "CrawlerName": "rental-kpi-crawler",
    "IncludePersonalData": "false",
}
"""A value for every substitution that the template makes: all are strings."""

State = dict[str, Any]
States = dict[str, State]


class UndefinedError(Exception):
    """An expression has no value, which fails the state on AWS."""


def source() -> str:
    """The definition before substitution."""
    return DEFINITION.read_text(encoding="utf-8")


def definition(**changes: str) -> dict[str, Any]:
    """The definition with `SUBSTITUTIONS`, some of them changed."""
    values = SUBSTITUTIONS | changes
    machine: dict[str, Any] = json.loads(
        re.sub(r"\$\{(\w+)\}", lambda match: values[match[1]], source())
    )
    return machine


def every_state(machine: Mapping[str, Any]) -> States:
    """All states by name, those of the branches too."""
    found: States = {}
    for name, state in machine["States"].items():
        found[name] = state
        for branch in state.get("Branches", ()):
            found |= every_state(branch)
    return found


def evaluate(template: Any, variables: Mapping[str, Any], **reserved: Any) -> Any:
    """The template with every `{% expression %}` replaced by its value.

    `reserved` is what `$states` holds: input, result, errorOutput, context. UndefinedError if an
    expression has no value.
    """
    if isinstance(template, dict):
        return {key: evaluate(value, variables, **reserved) for key, value in template.items()}
    if isinstance(template, list):
        return [evaluate(value, variables, **reserved) for value in template]
    if isinstance(template, str) and template.startswith("{%"):
        return _value(template.removeprefix("{%").removesuffix("%}"), variables, reserved)
    return template


def _value(expression: str, variables: Mapping[str, Any], reserved: Mapping[str, Any]) -> Any:
    bindings = {name: _NULL if value is None else value for name, value in variables.items()}
    bindings["states"] = reserved
    value = _run(expression, bindings)
    if value is None and not _run(f"$exists(({expression}))", bindings):
        raise UndefinedError(expression)
    return None if value is _NULL else value


def _run(expression: str, bindings: Mapping[str, Any]) -> Any:
    parsed = _jsonata.Jsonata.jsonata(expression)
    parsed.register_lambda("random", lambda: 0.5)
    return parsed.evaluate(None, bindings)


@dataclass(frozen=True)
class Way:
    """One way out of a state: to the state `to`, setting the variables `assigns`."""

    to: str
    assigns: Mapping[str, Any]
    caught: bool


def ways(state: State) -> Iterator[Way]:
    """All ways out of a state; none out of one that ends the execution."""
    own = state.get("Assign", {})
    for catcher in state.get("Catch", ()):
        yield Way(catcher["Next"], catcher.get("Assign", {}), caught=True)
    for choice in state.get("Choices", ()):
        yield Way(choice["Next"], choice.get("Assign", {}), caught=False)
    for key in ("Next", "Default"):
        if key in state:
            yield Way(state[key], own, caught=False)


def expressions(node: Any) -> Iterator[str]:
    """Every JSONata expression below a node."""
    if isinstance(node, dict):
        for value in node.values():
            yield from expressions(value)
    elif isinstance(node, list):
        for value in node:
            yield from expressions(value)
    elif isinstance(node, str) and node.startswith("{%"):
        yield node


def names_used(node: Any) -> set[str]:
    """The variables that the expressions below a node read."""
    found: set[str] = set()
    for expression in expressions(node):
        own = set(re.findall(r"\$(\w+)\s*:=", expression))
        found |= set(re.findall(r"\$(\w+)\b(?!\s*\()", expression)) - own - {"states"}
    return found
