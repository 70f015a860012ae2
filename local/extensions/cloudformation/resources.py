"""CloudFormation's types that MiniStack lacks, made and removed as their APIs do it."""

from __future__ import annotations

import json
import uuid
from http import HTTPStatus
from typing import Any

from local.extensions.patching.patches import add_entry, resolve

_MODULE = "ministack.services.cloudformation.provisioners"
Properties = dict[str, Any]
Made = tuple[str, dict[str, Any]]


def install() -> None:
    """Add the types to CloudFormation's."""
    add_entry(
        _MODULE,
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
        _MODULE,
        "_RESOURCE_HANDLERS",
        "AWS::EMR::SecurityConfiguration",
        {
            "create": _create_configuration,
            "update_with_logical_id": True,
            "update": _update_configuration,
            "delete": _delete_configuration,
        },
    )


def _create_query(logical_id: str, properties: Properties, stack: str) -> Made:
    names = ("Name", "Description", "Database", "QueryString", "WorkGroup")
    given = {name: properties[name] for name in names if properties.get(name)}
    given.setdefault("Name", f"{stack}-{logical_id}")
    query_id = _athena("_create_named_query", given)["NamedQueryId"]
    return query_id, {"NamedQueryId": query_id}


def _update_query(
    query_id: str, _: Properties, properties: Properties, stack: str, logical_id: str
) -> Made:
    # Any change replaces it.
    made = _create_query(logical_id, properties, stack)
    _delete_query(query_id, properties)
    return made


def _delete_query(query_id: str, _: Properties) -> None:
    _athena("_delete_named_query", {"NamedQueryId": query_id})


def _athena(function: str, request: Properties) -> dict[str, Any]:
    # Not over HTTP: the stack is made on the thread that would have to answer.
    status, _, body = resolve("ministack.services.athena", function, ("data",))(request)
    answer: dict[str, Any] = json.loads(body) if body else {}
    if status >= HTTPStatus.BAD_REQUEST:
        raise ValueError(answer.get("Message") or answer.get("message"))
    return answer


# Name -> document. EMR's API for them is all that MiniStack's EMR lacks of them; nobody asks it.
security_configurations: dict[str, Any] = {}


def _create_configuration(logical_id: str, properties: Properties, stack: str) -> Made:
    name = properties.get("Name") or f"{stack}-{logical_id}-{uuid.uuid4().hex[:12]}"
    if name in security_configurations:
        raise ValueError(f"the security configuration {name} already exists")
    security_configurations[name] = properties["SecurityConfiguration"]
    return name, {}


def _update_configuration(
    name: str, _: Properties, properties: Properties, stack: str, logical_id: str
) -> Made:
    # Any change replaces it; one with a name of its own cannot be replaced, which AWS refuses too.
    made = _create_configuration(logical_id, properties, stack)
    del security_configurations[name]
    return made


def _delete_configuration(name: str, _: Properties) -> None:
    security_configurations.pop(name, None)
