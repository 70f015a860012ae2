"""Which resources IAM looks at when Glue, Athena, Logs or S3 is called: those that AWS looks at.

MiniStack takes a crawler's name for a table's, looks at the database alone where a table is asked
for, and knows neither the workgroup of a query that goes on nor the log stream that is written. AWS
asks for a table, its database and the catalogue, and all three have to be allowed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from local.extensions.emr.permissions import resource_of as cluster_of
from local.extensions.patching.patches import replace, resolve
from local.extensions.s3.bucket_keys import refusal_of_key

_FROM_REQUEST = (
    "service",
    "method",
    "path",
    "headers",
    "body",
    "query_params",
    "region",
    "account_id",
)
_DECISION = ("access_key_id", "iam_action", "service", "region", "resource_arn", "service_context")
# Where a call names what it is about, besides DatabaseName and TableName.
_TABLE = {"GetTable": "Name", "DeleteTable": "Name"}
_WRITES = ("CreateLogGroup", "CreateLogStream", "PutLogEvents")
_DATABASE = ("GetDatabase", "DeleteDatabase", "UpdateDatabase")


_originals: dict[str, Callable[..., Any]] = {}


def install() -> None:
    """Replace how MiniStack names a request's resource, and how it decides about it."""
    _originals["name"] = replace(
        "ministack.core.iam_actions", "extract_resource_arn", _name_resource, _FROM_REQUEST
    )
    _originals["decide"] = replace("ministack.core.iam_evaluator", "enforce", _decide, _DECISION)


def _name_resource(
    service: str,
    method: str,
    path: str,
    headers: dict[str, str],
    body: bytes,
    query_params: dict[str, Any],
    region: str,
    account_id: str,
) -> str:
    resource = None
    if service in _RESOURCES and headers.get("x-amz-target"):
        action = headers["x-amz-target"].rpartition(".")[2]
        # What is no JSON is refused by the service, later.
        with suppress(ValueError):
            resource = _RESOURCES[service](action, json.loads(body or b"{}"))
    if resource:
        return f"arn:aws:{service}:{region}:{account_id}:{resource}"
    named: str = _originals["name"](
        service, method, path, headers, body, query_params, region, account_id
    )
    return named


def _decide(
    access_key_id: str,
    iam_action: str,
    service: str,
    region: str,
    resource_arn: str = "*",
    service_context: dict[str, Any] | None = None,
) -> Any:
    """None if it is allowed, on every resource that AWS would ask for."""
    decide = _originals["decide"]
    for arn in _all_of(resource_arn) if service == "glue" else [resource_arn]:
        denied = decide(access_key_id, iam_action, service, region, arn, service_context)
        if denied:
            return denied
    if service == "s3":
        return refusal_of_key(decide, access_key_id, iam_action, region, resource_arn)
    return None


def _glue(action: str, request: dict[str, Any]) -> str | None:
    """The most particular resource of a call to Glue; null where MiniStack's answer is right."""
    if "Crawler" in action:
        return f"crawler/{request.get('Name') or request.get('CrawlerName') or '*'}"
    if action in _DATABASE or action == "CreateDatabase":
        name = request.get("Name") or request.get("DatabaseInput", {}).get("Name")
        return f"database/{name}"
    if database := request.get("DatabaseName"):
        table = (
            request.get(_TABLE.get(action, "TableName"))
            or request.get("TableInput", {}).get("Name")
            or "*"
        )
        return f"table/{database}/{table}"
    return None


def _athena(_: str, request: dict[str, Any]) -> str | None:
    """The workgroup of the query that a call names."""
    executions = resolve("ministack.services.athena", "_executions")
    execution = executions.get(request.get("QueryExecutionId"))
    if execution is None:
        return None
    return f"workgroup/{execution['WorkGroup']}"


def _logs(action: str, request: dict[str, Any]) -> str | None:
    """What is written to a group is decided by the name of a stream in it, even of none."""
    if action not in _WRITES:
        return None
    return f"log-group:{request.get('logGroupName')}:log-stream:{request.get('logStreamName', '')}"


def _all_of(arn: str) -> Sequence[str]:
    """A table with its database and catalogue, a database with its catalogue; else itself."""
    head, _, resource = arn.rpartition(":")
    kind, *names = resource.split("/")
    if kind == "table":
        return [arn, f"{head}:database/{names[0]}", f"{head}:catalog"]
    if kind == "database":
        return [arn, f"{head}:catalog"]
    return [arn]


_RESOURCES = {
    "athena": _athena,
    "elasticmapreduce": cluster_of,
    "glue": _glue,
    "logs": _logs,
}
