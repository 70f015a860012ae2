"""Evaluates policies of the template, including their conditions, with MiniStack's IAM engine.

What this proves about AWS: an implementation of IAM that we did not write evaluates the actions,
resources, principals, and conditions. Which condition keys AWS sends with a request is an
assumption that each test states.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from tests.infra.support.intrinsics import ACCOUNT, REGION, resolve
from tests.infra.support.template import resource

# MiniStack has no type annotations.
_iam = importlib.import_module("ministack.core.iam_evaluator")

ConditionKeys = Mapping[str, str | list[str]]


def role_allows(role: str, action: str, target: Any, keys: ConditionKeys | None = None) -> bool:
    """Return whether the role's own policies allow the action on the target.

    Args:
        role: The logical ID of the role.
        action: An IAM action such as `s3:GetObject`.
        target: The ARN of the resource, or an intrinsic function for it.
        keys: The condition keys of the request.
    """
    documents = [policy["PolicyDocument"] for policy in resource(role)["Policies"]]
    statements = [_iam.parse_policy_document(resolve(document)) for document in documents]
    context = _context(f"arn:aws:iam::{ACCOUNT}:role/{role}", action, target, keys)
    return _is_allowed(_iam.evaluate(context, statements))


def role_trusts(role: str, service: str, keys: ConditionKeys | None = None) -> bool:
    """Return whether the service can assume the role."""
    trust_policy = resource(role)["AssumeRolePolicyDocument"]
    return policy_allows_service(trust_policy, service, "sts:AssumeRole", role, keys)


def policy_allows_service(
    policy: Any, service: str, action: str, target: Any, keys: ConditionKeys | None = None
) -> bool:
    """Return whether a resource policy allows the action to an AWS service."""
    context = _context(service, action, target, keys)
    return _is_allowed(_iam.evaluate_resource_policy(resolve(policy), context, service))


def policy_allows_principal(
    policy: Any, principal: str, action: str, target: Any, keys: ConditionKeys
) -> bool:
    """Return whether a resource policy alone allows the action to a role, given by its ARN."""
    context = _context(principal, action, target, keys)
    return _is_allowed(_iam.evaluate_resource_policy(resolve(policy), context))


def _context(principal: str, action: str, target: Any, keys: ConditionKeys | None) -> Any:
    keys = keys or {}
    return _iam.EvalContext(
        principal_arn=principal,
        principal_type="AssumedRole",
        principal_account=ACCOUNT,
        action=action,
        resource_arn=resolve(target),
        region=REGION,
        secure_transport=keys.get("aws:SecureTransport") != "false",
        service_context={key.lower(): value for key, value in keys.items()},
    )


def _is_allowed(result: Any) -> bool:
    return bool(result.decision == "Allow")
