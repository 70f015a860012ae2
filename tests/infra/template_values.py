"""The template's values in an example account: every intrinsic function is replaced."""

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


def resolved(node: Any) -> Any:
    """The node with its values; parameters and resources stand for themselves: `DataKey.Arn`."""
    if isinstance(node, list):
        return [resolved(item) for item in node]
    if not isinstance(node, dict):
        return node
    if node.keys() == {"Ref"}:
        return _value(node["Ref"])
    if node.keys() == {"Fn::GetAtt"}:
        return _value(".".join(node["Fn::GetAtt"]))
    if node.keys() == {"Fn::Sub"}:
        return re.sub(r"\$\{([\w:.]+)\}", lambda match: _value(match[1]), node["Fn::Sub"])
    return {key: resolved(value) for key, value in node.items()}


def _value(name: str) -> str:
    return _PSEUDO_PARAMETERS.get(name, name)
