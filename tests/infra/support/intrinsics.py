"""Resolves the intrinsic functions of the template for an example account."""

from __future__ import annotations

import re
from typing import Any

ACCOUNT = "123456789012"
REGION = "eu-west-1"
STACK = "rental-kpi"

_PSEUDO_PARAMETERS = {
    "AWS::AccountId": ACCOUNT,
    "AWS::Partition": "aws",
    "AWS::Region": REGION,
    "AWS::StackName": STACK,
    "AWS::URLSuffix": "amazonaws.com",
}


def resolve(node: Any) -> Any:
    """Return the node with every intrinsic function replaced by its value.

    References to parameters and resources resolve to their own name, such as `DataKey.Arn`.
    """
    if isinstance(node, list):
        return [resolve(item) for item in node]
    if not isinstance(node, dict):
        return node
    if node.keys() == {"Ref"}:
        return _value(node["Ref"])
    if node.keys() == {"Fn::GetAtt"}:
        return _value(".".join(node["Fn::GetAtt"]))
    if node.keys() == {"Fn::Sub"}:
        return re.sub(r"\$\{([\w:.]+)\}", lambda match: _value(match[1]), node["Fn::Sub"])
    return {key: resolve(value) for key, value in node.items()}


def _value(name: str) -> str:
    return _PSEUDO_PARAMETERS.get(name, name)
