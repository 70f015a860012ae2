"""What IAM looks at when EMR is called: those resources and condition keys that AWS looks at.

MiniStack gives EMR's calls none of EMR's own condition keys, takes no cluster from the ids of
TerminateJobFlows, and lets anybody hand any role to a cluster.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from local.extensions.emr.instance_profiles import role_named, role_of_profile
from local.extensions.patching.patches import replace, resolve
from local.extensions.patching.responses import Answer

_SERVICE = "elasticmapreduce"
_ACTIONS = "ministack.core.iam_actions"
_EMR = "ministack.services.emr"

Keys = dict[str, Any]
_originals: dict[str, Callable[..., Any]] = {}


def install() -> None:
    """Replace what is known of a call, and what is asked besides the call itself."""
    _originals["keys"] = replace(
        _ACTIONS, "request_tag_context", _keys, ("service", "iam_action", "body", "params")
    )
    _originals["handle"] = replace(
        _EMR, "handle_request", _handle, ("method", "path", "headers", "body", "query_params")
    )


def resource_of(_: str, request: dict[str, Any]) -> str | None:
    """The cluster that a call is about, as an ARN ends; null where MiniStack's answer is right."""
    cluster_id = request.get("ResourceId") or next(iter(request.get("JobFlowIds", [])), None)
    return f"cluster/{cluster_id}" if cluster_id else None


def _keys(service: str, iam_action: str, body: bytes, params: dict[str, Any]) -> Keys:
    keys: Keys = _originals["keys"](service, iam_action, body, params)
    if service == _SERVICE:
        request = json.loads(body or b"{}")
        named = [request.get(name) for name in ("ClusterId", "JobFlowId", "ResourceId")]
        ids = [*named, *request.get("JobFlowIds", [])[:1]]
        keys |= _tag_keys("Request", request.get("Tags", []))
        keys |= _tags_of(next(filter(None, ids), None))
    return keys


def _tag_keys(kind: str, tags: list[dict[str, str]]) -> Keys:
    return {
        f"{prefix}:{kind}Tag/{tag['Key']}".lower(): tag.get("Value", "")
        for tag in tags
        for prefix in (_SERVICE, "aws")
    }


def _tags_of(cluster_id: str | None) -> Keys:
    cluster = resolve(_EMR, "_clusters").get(cluster_id)
    return _tag_keys("Resource", cluster["Tags"]) if cluster else {}


async def _handle(
    method: str, path: str, headers: dict[str, str], body: bytes, query_params: dict[str, Any]
) -> Answer:
    action = headers.get("x-amz-target", "").rpartition(".")[2]
    if resolve("ministack.app", "AUTH"):
        request = json.loads(body or b"{}")
        for more in _more_checks(action, request):
            denied = _denied(headers, query_params, *more)
            if denied:
                return denied
    handled: Awaitable[Answer] = _originals["handle"](method, path, headers, body, query_params)
    return await handled


def _more_checks(action: str, request: dict[str, Any]) -> Iterator[tuple[str, str, Keys]]:
    """Actions, resources and condition keys that a call needs besides its own action."""
    arn = f"arn:aws:{_SERVICE}:{_of_request('region')}:{_of_request('account_id')}:cluster/"
    if action == "TerminateJobFlows":
        for cluster_id in request.get("JobFlowIds", [])[1:]:
            yield f"{_SERVICE}:{action}", arn + cluster_id, _tags_of(cluster_id)
    if action != "RunJobFlow":
        return
    if request.get("Tags"):
        yield f"{_SERVICE}:AddTags", f"{arn}*", _tag_keys("Request", request["Tags"])
    for role, service in (
        (role_named(request.get("ServiceRole", "")), f"{_SERVICE}.amazonaws.com"),
        (role_of_profile(request.get("JobFlowRole", "")), "ec2.amazonaws.com"),
    ):
        if role:
            yield "iam:PassRole", role, {"iam:PassedToService": service}


def _denied(
    headers: dict[str, str], query: dict[str, Any], action: str, resource: str, keys: Keys
) -> Answer | None:
    """The refusal, if whoever made the request is not allowed that too."""
    key = resolve("ministack.core.router", "extract_access_key_id", ("headers", "query_params"))
    result = resolve("ministack.core.iam_evaluator", "enforce")(
        key(headers, query),
        action,
        action.split(":", 1)[0],
        _of_request("region"),
        resource_arn=resource,
        service_context=keys,
    )
    if result is None:
        return None
    answer: Answer = resolve(_ACTIONS, "access_denied_response")(
        _SERVICE,
        action,
        result.principal_arn,
        str(uuid.uuid4()),
        headers=headers,
        resource_arn=resource,
        explicit_deny=result.decision == "Deny",
    )
    return answer


def _of_request(name: str) -> str:
    value: str = resolve("ministack.core.responses", f"get_{name}")()
    return value
