"""A state machine is refused, as on AWS, whose role lacks what Step Functions itself needs.

MiniStack asks for none of it: not whether the role trusts Step Functions, not for the rules that
tell it of EMR's steps and clusters, not for the delivery of its log.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from local import ACCOUNT, REGION
from local.extensions.patching.clients import NotAssumableError, check_trust
from local.extensions.patching.patches import add_entry, replace, resolve
from local.extensions.patching.responses import Answer, refused
from local.extensions.stepfunctions.executions import MODULE

_PROVISIONERS = "ministack.services.cloudformation.provisioners"
_POLICIES = "ministack.core.iam_evaluator"
_TYPE = "AWS::StepFunctions::StateMachine"
_RULES = {
    "addStep.sync": "StepFunctionsGetEventForEMRAddJobFlowStepsRule",
    "createCluster.sync": "StepFunctionsGetEventForEMRRunJobFlowRule",
    "terminateCluster.sync": "StepFunctionsGetEventForEMRTerminateJobFlowsRule",
}
_ON_RULES = ("events:PutTargets", "events:PutRule", "events:DescribeRule")
_ON_LOGS = (
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
    """Ask before a state machine is made or changed, by the API or by CloudFormation."""
    _originals["create"] = replace(MODULE, "_create_state_machine", _create, ("data",))
    _originals["update"] = replace(MODULE, "_update_state_machine", _update, ("data",))
    handlers = resolve(_PROVISIONERS, "_RESOURCE_HANDLERS")[_TYPE]
    _originals["provision"] = resolve(
        _PROVISIONERS, "_sfn_state_machine_create", ("logical_id", "props", "stack_name")
    )
    add_entry(_PROVISIONERS, "_RESOURCE_HANDLERS", _TYPE, {**handlers, "create": _provision})


def _create(data: dict[str, Any]) -> Any:
    return _refusal(data) or _originals["create"](data)


def _update(data: dict[str, Any]) -> Any:
    machine = resolve(MODULE, "_state_machines").get(data.get("stateMachineArn")) or {}
    return _refusal({**machine, **data}) or _originals["update"](data)


def _provision(logical_id: str, props: dict[str, Any], stack_name: str) -> Any:
    lacking = _lacking(
        props.get("RoleArn", ""),
        resolve(_PROVISIONERS, "_sfn_definition", ("props",))(props),
        props.get("LoggingConfiguration") or {},
    )
    if lacking:
        raise ValueError(lacking)
    return _originals["provision"](logical_id, props, stack_name)


def _refusal(data: dict[str, Any]) -> Answer | None:
    lacking = _lacking(
        data.get("roleArn", ""), data.get("definition", ""), data.get("loggingConfiguration") or {}
    )
    if not lacking:
        return None
    return refused("AccessDeniedException", lacking)


def _lacking(role_arn: str, definition: str, logging: dict[str, Any]) -> str:
    """What AWS says about the role; empty if it may all."""
    try:
        check_trust(role_arn, "states.amazonaws.com")
    except NotAssumableError:
        return (
            "Neither the global service principal states.amazonaws.com, nor the regional one is "
            "authorized to assume the provided role."
        )
    prefix = f"arn:aws:events:{REGION}:{ACCOUNT}:rule"
    for rule in sorted(set(_rules(definition))):
        if not all(_may(role_arn, action, f"{prefix}/{rule}") for action in _ON_RULES):
            return f"'{role_arn}' is not authorized to create managed-rule '{rule}'."
    level = logging.get("level") or logging.get("Level") or "OFF"
    if level != "OFF" and not all(_may(role_arn, action, "*") for action in _ON_LOGS):
        return "The state machine IAM Role is not authorized to access the Log Destination"
    return ""


def _rules(definition: str) -> Iterator[str]:
    """The rules that the definition's tasks need, from however deep in it they stand."""
    try:
        waiting = [json.loads(definition)]
    except json.JSONDecodeError:
        return  # which is told by whoever reads it next
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            _, _, task = str(part.get("Resource", "")).partition(":::elasticmapreduce:")
            if task in _RULES:
                yield _RULES[task]
            waiting.extend(part.values())
        elif isinstance(part, list):
            waiting.extend(part)


def _may(role_arn: str, action: str, resource: str) -> bool:
    name = role_arn.rsplit("/", 1)[-1]
    context = resolve(_POLICIES, "EvalContext")(
        principal_arn=f"arn:aws:sts::{ACCOUNT}:assumed-role/{name}/local",
        principal_type="AssumedRole",
        principal_account=ACCOUNT,
        action=action,
        resource_arn=resource,
        region=REGION,
    )
    policies = resolve(_POLICIES, "_gather_role_policies", ("role_name", "account_id"))(
        name, ACCOUNT
    )
    decision = resolve(_POLICIES, "evaluate")(context, policies).decision
    return bool(decision == "Allow")
