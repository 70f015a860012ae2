"""Conditions that compare a part of a parameter.

MiniStack evaluates `Ref` and `Fn::Select` in conditions, but neither `Fn::Split` nor `Fn::Sub`.
CloudFormation evaluates both, and cfn-lint, which AWS maintains, accepts them in `Fn::Equals` (its
rule E8003).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from local.extensions.patching.patches import replace, resolve

_PACKAGE = "ministack.services.cloudformation"
# The modules that call the function. Each has imported it under this name.
_MODULES = ("engine", "changesets", "handlers", "stacks")
_NAME = "_evaluate_conditions"
_FUNCTIONS = ("Fn::Select", "Fn::Split", "Fn::Sub")


def install() -> None:
    """Replace the function that evaluates the conditions of a template."""
    original = resolve(f"{_PACKAGE}.engine", _NAME)

    def evaluate(template: dict[str, Any], params: dict[str, Any]) -> dict[str, bool]:
        conditions = _resolve(template.get("Conditions", {}), params, template)
        result: dict[str, bool] = original({**template, "Conditions": conditions}, params)
        return result

    for module in _MODULES:
        original = replace(f"{_PACKAGE}.{module}", _NAME, evaluate, ("template", "params"))


def _resolve(node: Any, params: Mapping[str, Any], template: Mapping[str, Any]) -> Any:
    """Return the node with the functions that MiniStack does not evaluate replaced by values."""
    if isinstance(node, list):
        return [_resolve(item, params, template) for item in node]
    if not isinstance(node, dict):
        return node
    if len(node) == 1 and next(iter(node)) in _FUNCTIONS:
        mappings = template.get("Mappings", {})
        resolve_refs = resolve(
            f"{_PACKAGE}.engine",
            "_resolve_refs",
            ("value", "resources", "params", "conditions", "mappings", "stack_name", "stack_id"),
        )
        return resolve_refs(node, {}, params, {}, mappings, "", "")
    return {key: _resolve(value, params, template) for key, value in node.items()}
