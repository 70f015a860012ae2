"""State machines are rejected, as on AWS, if their role lacks what Step Functions itself needs.

MiniStack checks none of it: the role's trust in Step Functions, the permissions for the managed
rules that report EMR steps and clusters, and the permissions for the delivery of logs.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from local import ACCOUNT, REGION
from local.extensions.patching.clients import AssumeRoleError, check_trust
from local.extensions.patching.patches import add_entry, replace, resolve
from local.extensions.patching.responses import Response, error_response
from local.extensions.stepfunctions.executions import STEP_FUNCTIONS

_PROVISIONERS = "ministack.services.cloudformation.provisioners"
_IAM_EVALUATOR = "ministack.core.iam_evaluator"
_RESOURCE_TYPE = "AWS::StepFunctions::StateMachine"
_MANAGED_RULES = {
    "addStep.sync": "StepFunctionsGetEventForEMRAddJobFlowStepsRule",
    "createCluster.sync": "StepFunctionsGetEventForEMRRunJobFlowRule",
    "terminateCluster.sync": "StepFunctionsGetEventForEMRTerminateJobFlowsRule",
}
_RULE_ACTIONS = ("events:PutTargets", "events:PutRule", "events:DescribeRule")
_LOG_DELIVERY_ACTIONS = (
    "logs:CreateLogDelivery",
    "logs:GetLogDelivery",
    "logs:UpdateLogDelivery",
    "logs:DeleteLogDelivery",
    "logs:ListLogDeliveries",
    "logs:PutResourcePolicy",
    "logs:DescribeResourcePolicies",
    "logs:DescribeLogGroups",
)
_originals: dict[str, Callable[..., Any]] = {}


def install() -> None:
    """Check the role of a new or updated state machine, including through CloudFormation."""
    _originals["create"] = replace(STEP_FUNCTIONS, "_create_state_machine", _create, ("data",))
    _originals["update"] = replace(STEP_FUNCTIONS, "_update_state_machine", _update, ("data",))
    handlers = resolve(_PROVISIONERS, "_RESOURCE_HANDLERS")[_RESOURCE_TYPE]
    _originals["provision"] = resolve(
        _PROVISIONERS, "_sfn_state_machine_create", ("logical_id", "props", "stack_name")
    )
    add_entry(
        _PROVISIONERS, "_RESOURCE_HANDLERS", _RESOURCE_TYPE, {**handlers, "create": _provision}
    )


def _create(data: dict[str, Any]) -> Any:
    return _check_request(data) or _originals["create"](data)


def _update(data: dict[str, Any]) -> Any:
    machine = resolve(STEP_FUNCTIONS, "_state_machines").get(data.get("stateMachineArn")) or {}
    return _check_request({**machine, **data}) or _originals["update"](data)


def _provision(logical_id: str, props: dict[str, Any], stack_name: str) -> Any:
    problem = _find_problem(
        props.get("RoleArn", ""),
        resolve(_PROVISIONERS, "_sfn_definition", ("props",))(props),
        props.get("LoggingConfiguration") or {},
    )
    if problem:
        raise ValueError(problem)
    return _originals["provision"](logical_id, props, stack_name)


def _check_request(data: dict[str, Any]) -> Response | None:
    """Return an error response if the role lacks permissions, or `None`."""
    problem = _find_problem(
        data.get("roleArn", ""), data.get("definition", ""), data.get("loggingConfiguration") or {}
    )
    return error_response("AccessDeniedException", problem) if problem else None


def _find_problem(role_arn: str, definition: str, logging: dict[str, Any]) -> str:
    """Return AWS's error message for a role, or an empty string if the role is sufficient."""
    try:
        check_trust(role_arn, "states.amazonaws.com")
    except AssumeRoleError:
        return (
            "Neither the global service principal states.amazonaws.com, nor the regional one is "
            "authorized to assume the provided role."
        )
    prefix = f"arn:aws:events:{REGION}:{ACCOUNT}:rule"
    for rule in sorted(set(_get_managed_rules(definition))):
        if not _is_allowed(role_arn, _RULE_ACTIONS, f"{prefix}/{rule}"):
            return f"'{role_arn}' is not authorized to create managed-rule '{rule}'."
    level = logging.get("level") or logging.get("Level") or "OFF"
    if level != "OFF" and not _is_allowed(role_arn, _LOG_DELIVERY_ACTIONS, "*"):
        return "The state machine IAM Role is not authorized to access the Log Destination"
    return ""


def _get_managed_rules(definition: str) -> Iterator[str]:
    """Yield the managed rules that the tasks of a definition need, at any depth."""
    try:
        remaining = [json.loads(definition)]
    except json.JSONDecodeError:
        return  # MiniStack rejects the definition
    while remaining:
        node = remaining.pop()
        if isinstance(node, dict):
            _, _, task = str(node.get("Resource", "")).partition(":::elasticmapreduce:")
            if task in _MANAGED_RULES:
                yield _MANAGED_RULES[task]
            remaining.extend(node.values())
        elif isinstance(node, list):
            remaining.extend(node)


def _is_allowed(role_arn: str, actions: tuple[str, ...], resource: str) -> bool:
    """Return whether a role's policies allow all of the actions on a resource."""
    name = role_arn.rsplit("/", 1)[-1]
    policies = resolve(_IAM_EVALUATOR, "_gather_role_policies", ("role_name", "account_id"))(
        name, ACCOUNT
    )
    evaluate = resolve(_IAM_EVALUATOR, "evaluate")
    return all(
        evaluate(_create_context(name, action, resource), policies).decision == "Allow"
        for action in actions
    )


def _create_context(role_name: str, action: str, resource: str) -> Any:
    return resolve(_IAM_EVALUATOR, "EvalContext")(
        principal_arn=f"arn:aws:sts::{ACCOUNT}:assumed-role/{role_name}/local",
        principal_type="AssumedRole",
        principal_account=ACCOUNT,
        action=action,
        resource_arn=resource,
        region=REGION,
    )
