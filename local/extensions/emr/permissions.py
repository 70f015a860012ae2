"""Authorization of EMR calls with the resources and condition keys that AWS uses.

MiniStack does not provide EMR's condition keys, does not find the clusters of TerminateJobFlows,
and does not check `iam:PassRole`.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from local.extensions.emr.instance_profiles import get_profile_role_arn, get_role_arn
from local.extensions.patching.patches import replace, resolve
from local.extensions.patching.responses import Response

_SERVICE = "elasticmapreduce"
_IAM_ACTIONS = "ministack.core.iam_actions"
_EMR = "ministack.services.emr"

ConditionKeys = dict[str, Any]
_originals: dict[str, Callable[..., Any]] = {}


def install() -> None:
    """Add EMR's condition keys, and the permissions that a call needs besides its own action."""
    _originals["condition_keys"] = replace(
        _IAM_ACTIONS,
        "request_tag_context",
        _get_condition_keys,
        ("service", "iam_action", "body", "params"),
    )
    _originals["handle"] = replace(
        _EMR, "handle_request", _handle, ("method", "path", "headers", "body", "query_params")
    )


def get_cluster_resource(_: str, request: dict[str, Any]) -> str | None:
    """Return the cluster that an EMR call is about.

    Args:
        _: The action, which does not matter here.
        request: The request's content.

    Returns:
        The resource part of the cluster's ARN, or `None` to keep MiniStack's choice.
    """
    cluster_id = request.get("ResourceId") or next(iter(request.get("JobFlowIds", [])), None)
    return f"cluster/{cluster_id}" if cluster_id else None


def _get_condition_keys(
    service: str, iam_action: str, body: bytes, params: dict[str, Any]
) -> ConditionKeys:
    keys: ConditionKeys = _originals["condition_keys"](service, iam_action, body, params)
    if service == _SERVICE:
        request = json.loads(body or b"{}")
        cluster_ids = [request.get(name) for name in ("ClusterId", "JobFlowId", "ResourceId")]
        cluster_ids += request.get("JobFlowIds", [])[:1]
        keys |= _build_tag_keys("Request", request.get("Tags", []))
        keys |= _get_cluster_tag_keys(next(filter(None, cluster_ids), None))
    return keys


def _build_tag_keys(kind: str, tags: list[dict[str, str]]) -> ConditionKeys:
    return {
        f"{prefix}:{kind}Tag/{tag['Key']}".lower(): tag.get("Value", "")
        for tag in tags
        for prefix in (_SERVICE, "aws")
    }


def _get_cluster_tag_keys(cluster_id: str | None) -> ConditionKeys:
    cluster = resolve(_EMR, "_clusters").get(cluster_id)
    return _build_tag_keys("Resource", cluster["Tags"]) if cluster else {}


async def _handle(
    method: str, path: str, headers: dict[str, str], body: bytes, query_params: dict[str, Any]
) -> Response:
    action = headers.get("x-amz-target", "").rpartition(".")[2]
    if resolve("ministack.app", "AUTH"):
        request = json.loads(body or b"{}")
        for permission in _get_additional_permissions(action, request):
            denial = _check_permission(headers, query_params, *permission)
            if denial:
                return denial
    response: Awaitable[Response] = _originals["handle"](method, path, headers, body, query_params)
    return await response


def _get_additional_permissions(
    action: str, request: dict[str, Any]
) -> Iterator[tuple[str, str, ConditionKeys]]:
    """Yield the permissions that a call needs besides its own action.

    Yields:
        Tuples of the action, the resource's ARN, and the condition keys.
    """
    region, account_id = _get_request_property("region"), _get_request_property("account_id")
    arn_prefix = f"arn:aws:{_SERVICE}:{region}:{account_id}:cluster/"
    if action == "TerminateJobFlows":
        for cluster_id in request.get("JobFlowIds", [])[1:]:
            yield f"{_SERVICE}:{action}", arn_prefix + cluster_id, _get_cluster_tag_keys(cluster_id)
    if action != "RunJobFlow":
        return
    if request.get("Tags"):
        yield f"{_SERVICE}:AddTags", f"{arn_prefix}*", _build_tag_keys("Request", request["Tags"])
    for role_arn, service in (
        (get_role_arn(request.get("ServiceRole", "")), f"{_SERVICE}.amazonaws.com"),
        (get_profile_role_arn(request.get("JobFlowRole", "")), "ec2.amazonaws.com"),
    ):
        if role_arn:
            yield "iam:PassRole", role_arn, {"iam:PassedToService": service}


def _check_permission(
    headers: dict[str, str],
    query: dict[str, Any],
    action: str,
    resource: str,
    condition_keys: ConditionKeys,
) -> Response | None:
    """Return an access-denied response if the request's caller lacks a permission, or `None`."""
    extract_access_key_id = resolve(
        "ministack.core.router", "extract_access_key_id", ("headers", "query_params")
    )
    denial = resolve("ministack.core.iam_evaluator", "enforce")(
        extract_access_key_id(headers, query),
        action,
        action.split(":", 1)[0],
        _get_request_property("region"),
        resource_arn=resource,
        service_context=condition_keys,
    )
    if denial is None:
        return None
    response: Response = resolve(_IAM_ACTIONS, "access_denied_response")(
        _SERVICE,
        action,
        denial.principal_arn,
        str(uuid.uuid4()),
        headers=headers,
        resource_arn=resource,
        explicit_deny=denial.decision == "Deny",
    )
    return response


def _get_request_property(name: str) -> str:
    """Return the `region` or the `account_id` of the current request."""
    value: str = resolve("ministack.core.responses", f"get_{name}")()
    return value
