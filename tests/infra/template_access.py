"""Who may do what, conditions included, as MiniStack's engine for policies decides it.

How far it proves AWS: actions, resources, principals and conditions are judged by another reading
of IAM than ours. Which keys AWS sends with a call is what the tests say.
"""

from __future__ import annotations

import importlib
from typing import Any

from tests.infra.template import resource
from tests.infra.template_values import ACCOUNT, REGION, resolved

# MiniStack has no types.
_iam = importlib.import_module("ministack.core.iam_evaluator")

Keys = dict[str, str]
"""What a call is known by: condition keys and their values."""


def role_may(role: str, action: str, place: Any, keys: Keys | None = None) -> bool:
    """Whether a role's own policies allow the action there."""
    documents = [policy["PolicyDocument"] for policy in resource(role)["Policies"]]
    statements = [_iam.parse_policy_document(resolved(document)) for document in documents]
    context = _context(f"arn:aws:iam::{ACCOUNT}:role/{role}", action, place, keys)
    return _allows(_iam.evaluate(context, statements))


def role_is_for(role: str, service: str, keys: Keys | None = None) -> bool:
    """Whether the service may take the role."""
    trust = resource(role)["AssumeRolePolicyDocument"]
    return service_may(trust, service, "sts:AssumeRole", role, keys)


def service_may(
    policy: Any, service: str, action: str, place: Any, keys: Keys | None = None
) -> bool:
    """Whether a resource's policy allows the action to one of AWS's services."""
    context = _context(service, action, place, keys)
    return _allows(_iam.evaluate_resource_policy(resolved(policy), context, service))


def principal_may(policy: Any, principal: str, action: str, place: Any, keys: Keys) -> bool:
    """Whether a resource's policy itself allows the action to a role, by its ARN."""
    context = _context(principal, action, place, keys)
    return _allows(_iam.evaluate_resource_policy(resolved(policy), context))


def _context(principal: str, action: str, place: Any, given: Keys | None) -> Any:
    keys = given or {}
    return _iam.EvalContext(
        principal_arn=principal,
        principal_type="AssumedRole",
        principal_account=ACCOUNT,
        action=action,
        resource_arn=resolved(place),
        region=REGION,
        secure_transport=keys.get("aws:SecureTransport") != "false",
        service_context={key.lower(): value for key, value in keys.items()},
    )


def _allows(result: Any) -> bool:
    return bool(result.decision == "Allow")
