"""CloudFormation resource types that MiniStack does not support."""

from __future__ import annotations

import json
import uuid
from http import HTTPStatus
from typing import Any

from local.extensions.patching.patches import add_entry, resolve

_PROVISIONERS = "ministack.services.cloudformation.provisioners"
Properties = dict[str, Any]
CreatedResource = tuple[str, dict[str, Any]]
"""The physical ID of a new resource, and its attributes for `Fn::GetAtt`."""


def install() -> None:
    """Register the resource types."""
    add_entry(
        _PROVISIONERS,
        "_RESOURCE_HANDLERS",
        "AWS::Athena::NamedQuery",
        {
            "create": _create_query,
            "update_with_logical_id": True,
            "update": _update_query,
            "delete": _delete_query,
        },
    )
    add_entry(
        _PROVISIONERS,
        "_RESOURCE_HANDLERS",
        "AWS::EMR::SecurityConfiguration",
        {
            "create": _create_configuration,
            "update_with_logical_id": True,
            "update": _update_configuration,
            "delete": _delete_configuration,
        },
    )


def _create_query(logical_id: str, properties: Properties, stack: str) -> CreatedResource:
    names = ("Name", "Description", "Database", "QueryString", "WorkGroup")
    request = {name: properties[name] for name in names if properties.get(name)}
    request.setdefault("Name", f"{stack}-{logical_id}")
    query_id = _call_athena("_create_named_query", request)["NamedQueryId"]
    return query_id, {"NamedQueryId": query_id}


def _update_query(
    query_id: str, _: Properties, properties: Properties, stack: str, logical_id: str
) -> CreatedResource:
    # Every change replaces the query, as on AWS.
    created = _create_query(logical_id, properties, stack)
    _delete_query(query_id, properties)
    return created


def _delete_query(query_id: str, _: Properties) -> None:
    _call_athena("_delete_named_query", {"NamedQueryId": query_id})


def _call_athena(function: str, request: Properties) -> dict[str, Any]:
    # Not over HTTP: the stack is provisioned on the thread that would have to respond.
    status, _, body = resolve("ministack.services.athena", function, ("data",))(request)
    response: dict[str, Any] = json.loads(body) if body else {}
    if status >= HTTPStatus.BAD_REQUEST:
        raise ValueError(response.get("Message") or response.get("message"))
    return response


# Security configurations by name. MiniStack's EMR has no API for them, and nothing reads them.
_security_configurations: dict[str, Any] = {}


def _create_configuration(logical_id: str, properties: Properties, stack: str) -> CreatedResource:
    name = properties.get("Name") or f"{stack}-{logical_id}-{uuid.uuid4().hex[:12]}"
    if name in _security_configurations:
        raise ValueError(f"The security configuration {name} already exists.")
    _security_configurations[name] = properties["SecurityConfiguration"]
    return name, {}


def _update_configuration(
    name: str, _: Properties, properties: Properties, stack: str, logical_id: str
) -> CreatedResource:
    # Every change replaces the configuration. As on AWS, this fails for a configuration with an
    # explicit name, because both would have the same name.
    created = _create_configuration(logical_id, properties, stack)
    del _security_configurations[name]
    return created


def _delete_configuration(name: str, _: Properties) -> None:
    _security_configurations.pop(name, None)
