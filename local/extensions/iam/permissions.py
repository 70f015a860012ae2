"""The resources that IAM authorizes for calls to Glue, Athena, CloudWatch Logs, EMR, and S3.

MiniStack takes a crawler's name for a table's name, authorizes only the database of a call about a
table, and knows neither the workgroup of a running query nor the log stream that is written. AWS
requires permission for a table, its database, and the catalog, and to copy the annotations of an
object.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from local.extensions.emr.permissions import get_cluster_resource
from local.extensions.iam.leading_keys import get_leading_keys_context
from local.extensions.patching.patches import replace, resolve
from local.extensions.s3.bucket_keys import get_key_denial

_IAM_EVALUATOR = "ministack.core.iam_evaluator"
_EXTRACT_PARAMETERS = (
    "service",
    "method",
    "path",
    "headers",
    "body",
    "query_params",
    "region",
    "account_id",
)
_ENFORCE_PARAMETERS = (
    "access_key_id",
    "iam_action",
    "service",
    "region",
    "resource_arn",
    "service_context",
)
# Glue actions whose table name is not in the field TableName.
_TABLE_NAME_FIELDS = {"GetTable": "Name", "DeleteTable": "Name"}
_DATABASE_ACTIONS = ("CreateDatabase", "GetDatabase", "DeleteDatabase", "UpdateDatabase")
_LOG_WRITE_ACTIONS = ("CreateLogGroup", "CreateLogStream", "PutLogEvents")

_S3_CHECK_PARAMETERS = ("method", "path", "headers", "body", "query_params")
_ANNOTATION_DIRECTIVE = "x-amz-object-annotation-directive"

_originals: dict[str, Callable[..., Any]] = {}


def install() -> None:
    """Replace how MiniStack finds a request's resource and how it authorizes the request."""
    _originals["extract"] = replace(
        "ministack.core.iam_actions",
        "extract_resource_arn",
        _extract_resource_arn,
        _EXTRACT_PARAMETERS,
    )
    _originals["enforce"] = replace(_IAM_EVALUATOR, "enforce", _enforce, _ENFORCE_PARAMETERS)
    _originals["s3_checks"] = replace(
        "ministack.core.iam_actions",
        "s3_additional_checks",
        _list_additional_s3_checks,
        _S3_CHECK_PARAMETERS,
    )


def _extract_resource_arn(
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
        # The service itself rejects a body that is not JSON, after the authorization.
        with suppress(ValueError):
            resource = _RESOURCES[service](action, json.loads(body or b"{}"))
    if resource:
        return f"arn:aws:{service}:{region}:{account_id}:{resource}"
    original: str = _originals["extract"](
        service, method, path, headers, body, query_params, region, account_id
    )
    return original


def _enforce(
    access_key_id: str,
    iam_action: str,
    service: str,
    region: str,
    resource_arn: str = "*",
    service_context: dict[str, Any] | None = None,
) -> Any:
    """Return the denial of a resource that AWS requires, or `None` if all are allowed."""
    enforce = _originals["enforce"]
    # The original would look for the permissions of an empty access key.
    is_public = resolve(_IAM_EVALUATOR, "_served_unsigned", ("service", "iam_action"))
    if not access_key_id and is_public(service, iam_action):
        return None
    service_context = {**(service_context or {}), **get_leading_keys_context(resource_arn)}
    arns = _get_required_arns(resource_arn) if service == "glue" else [resource_arn]
    for arn in arns:
        denial = enforce(access_key_id, iam_action, service, region, arn, service_context)
        if denial:
            return denial
    if service == "s3":
        return get_key_denial(enforce, access_key_id, iam_action, region, resource_arn)
    return None


def _list_additional_s3_checks(
    method: str, path: str, headers: dict[str, str], body: bytes, query_params: dict[str, Any]
) -> list[tuple[str, str]]:
    """Return further actions that an S3 request requires, each with its resource.

    CopyObject copies annotations unless a header excludes them ("CopyObject" in the Amazon S3 API
    Reference). UploadPartCopy does not.
    """
    checks: list[tuple[str, str]] = _originals["s3_checks"](
        method, path, headers, body, query_params
    )
    is_copy = "x-amz-copy-source" in headers and "partNumber" not in query_params
    if is_copy and headers.get(_ANNOTATION_DIRECTIVE, "COPY").upper() == "COPY":
        checks += [
            *(("s3:GetObjectAnnotation", arn) for _, arn in checks),
            ("s3:PutObjectAnnotation", f"arn:aws:s3:::{path.strip('/')}"),
        ]
    return checks


def _get_glue_resource(action: str, request: dict[str, Any]) -> str | None:
    """Return the most specific resource of a Glue call, or `None` to keep MiniStack's choice."""
    if "Crawler" in action:
        return f"crawler/{request.get('Name') or request.get('CrawlerName') or '*'}"
    if action == "GetDatabases":
        # Athena's guide grants this action on the database `default` and the catalog.
        return "database/default"
    if action in _DATABASE_ACTIONS:
        name = request.get("Name") or request.get("DatabaseInput", {}).get("Name")
        return f"database/{name}"
    if database := request.get("DatabaseName"):
        table = (
            request.get(_TABLE_NAME_FIELDS.get(action, "TableName"))
            or request.get("TableInput", {}).get("Name")
            or "*"
        )
        return f"table/{database}/{table}"
    return None


def _get_athena_resource(_: str, request: dict[str, Any]) -> str | None:
    """Return the workgroup of the query execution that a call names."""
    executions = resolve("ministack.services.athena", "_executions")
    execution = executions.get(request.get("QueryExecutionId"))
    if execution is None:
        return None
    return f"workgroup/{execution['WorkGroup']}"


def _get_logs_resource(action: str, request: dict[str, Any]) -> str | None:
    """Return the log stream of a call that writes; the stream's name may be empty."""
    if action == "AssociateKmsKey":
        return f"log-group:{request.get('logGroupName')}"
    if action not in _LOG_WRITE_ACTIONS:
        return None
    return f"log-group:{request.get('logGroupName')}:log-stream:{request.get('logStreamName', '')}"


def _get_required_arns(arn: str) -> Sequence[str]:
    """Return the Glue resource itself and those above it: its database and the catalog."""
    prefix, _, resource = arn.rpartition(":")
    kind, *names = resource.split("/")
    if kind == "table":
        return [arn, f"{prefix}:database/{names[0]}", f"{prefix}:catalog"]
    if kind == "database":
        return [arn, f"{prefix}:catalog"]
    return [arn]


_RESOURCES = {
    "athena": _get_athena_resource,
    "elasticmapreduce": get_cluster_resource,
    "glue": _get_glue_resource,
    "logs": _get_logs_resource,
}
