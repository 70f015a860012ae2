"""Reads the state machine definition like Step Functions: substitutions, JSONata, transitions."""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DEFINITION = Path(__file__).resolve().parents[3] / "statemachine" / "pipeline.asl.json"

# The jsonata package has no type annotations.
_jsonata = importlib.import_module("jsonata")
_NULL = importlib.import_module("jsonata.utils").Utils.NULL_VALUE

SUBSTITUTIONS = {
    "PinInputsArn": "arn:aws:lambda:eu-west-1:123456789012:function:PinInputs",
    "CheckRunArn": "arn:aws:lambda:eu-west-1:123456789012:function:CheckRun",
    "PublishResultsArn": "arn:aws:lambda:eu-west-1:123456789012:function:PublishResults",
    "ReportFailureArn": "arn:aws:lambda:eu-west-1:123456789012:function:ReportFailure",
    "LedgerTableName": "rental-kpi-ledger",
    "LedgerRetentionDays": "120",
    "BucketName": "rental-kpi-data",
    "ScriptsPrefix": "emr-scripts/0123abcd",
    "StackName": "rental-kpi",
    "EmrRelease": "emr-7.13.0",
    "PrimaryInstanceType": "m7g.xlarge",
    "WorkerInstanceType": "m7g.xlarge",
    "MaxWorkers": "10",
    "SpotPercent": "60",
    "SubnetId": "subnet-0123456789abcdef0",
    "EmrServiceRole": "rental-kpi-emr",
    "EmrInstanceProfile": "rental-kpi-emr-instances",
    "EmrSecurityConfiguration": "rental-kpi-security",
    "CrawlerName": "rental-kpi-crawler",
    "IncludePersonalData": "false",
}
"""Example values for the template's definition substitutions. All values are strings."""

State = dict[str, Any]
States = dict[str, State]


class UndefinedError(Exception):
    """An expression has no value, which would fail the state on AWS."""


def read_source() -> str:
    """Return the definition before substitution."""
    return DEFINITION.read_text(encoding="utf-8")


def load_definition(**overrides: str) -> dict[str, Any]:
    """Return the definition after substitution.

    Args:
        **overrides: Values that replace those in `SUBSTITUTIONS`.
    """
    values = SUBSTITUTIONS | overrides
    machine: dict[str, Any] = json.loads(
        re.sub(r"\$\{(\w+)\}", lambda match: values[match[1]], read_source())
    )
    return machine


def all_states(machine: Mapping[str, Any]) -> States:
    """Return all states by name, including those of parallel branches."""
    states: States = {}
    for name, state in machine["States"].items():
        states[name] = state
        for branch in state.get("Branches", ()):
            states |= all_states(branch)
    return states


def evaluate(template: Any, variables: Mapping[str, Any], **reserved: Any) -> Any:
    """Return the template with every `{% expression %}` replaced by its value.

    Args:
        template: Any JSON value of the definition.
        variables: The assigned variables.
        **reserved: The fields of `$states`: input, result, errorOutput, context.

    Raises:
        UndefinedError: An expression has no value.
    """
    if isinstance(template, dict):
        return {key: evaluate(value, variables, **reserved) for key, value in template.items()}
    if isinstance(template, list):
        return [evaluate(value, variables, **reserved) for value in template]
    if isinstance(template, str) and template.startswith("{%"):
        expression = template.removeprefix("{%").removesuffix("%}")
        return _evaluate_expression(expression, variables, reserved)
    return template


def _evaluate_expression(
    expression: str, variables: Mapping[str, Any], reserved: Mapping[str, Any]
) -> Any:
    bindings = {name: _NULL if value is None else value for name, value in variables.items()}
    bindings["states"] = reserved
    value = _run_jsonata(expression, bindings)
    if value is None and not _run_jsonata(f"$exists(({expression}))", bindings):
        raise UndefinedError(expression)
    return None if value is _NULL else value


def _run_jsonata(expression: str, bindings: Mapping[str, Any]) -> Any:
    parsed = _jsonata.Jsonata.jsonata(expression)
    parsed.register_lambda("random", lambda: 0.5)
    return parsed.evaluate(None, bindings)


@dataclass(frozen=True)
class Transition:
    """A transition out of a state.

    Attributes:
        target: The name of the next state.
        assignments: The variables that the transition assigns.
        is_caught: Whether a Catch makes the transition.
    """

    target: str
    assignments: Mapping[str, Any]
    is_caught: bool


def transitions(state: State) -> Iterator[Transition]:
    """Yield all transitions out of a state; none if the state ends the execution."""
    assignments = state.get("Assign", {})
    for catcher in state.get("Catch", ()):
        yield Transition(catcher["Next"], catcher.get("Assign", {}), is_caught=True)
    for choice in state.get("Choices", ()):
        yield Transition(choice["Next"], choice.get("Assign", {}), is_caught=False)
    for key in ("Next", "Default"):
        if key in state:
            yield Transition(state[key], assignments, is_caught=False)


def expressions(node: Any) -> Iterator[str]:
    """Yield every JSONata expression below a node."""
    if isinstance(node, dict):
        for value in node.values():
            yield from expressions(value)
    elif isinstance(node, list):
        for value in node:
            yield from expressions(value)
    elif isinstance(node, str) and node.startswith("{%"):
        yield node


def variables_read(node: Any) -> set[str]:
    """Return the names of the variables that the expressions below a node read."""
    names: set[str] = set()
    for expression in expressions(node):
        local_names = set(re.findall(r"\$(\w+)\s*:=", expression))
        all_names = set(re.findall(r"\$(\w+)\b(?!\s*\()", expression))
        names |= all_names - local_names - {"states"}
    return names
