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
    add_entry(
        _PROVISIONERS,
        "_RESOURCE_HANDLERS",
        "AWS::Glue::SecurityConfiguration",
        {
            "create": _create_glue_configuration,
            "update_with_logical_id": True,
            "update": _update_glue_configuration,
            "delete": _delete_glue_configuration,
        },
    )


def _create_query(logical_id: str, properties: Properties, stack: str) -> CreatedResource:
    names = ("Name", "Description", "Database", "QueryString", "WorkGroup")
    request = {name: properties[name] for name in names if properties.get(name)}
    request.setdefault("Name", f"{stack}-{logical_id}")
    query_id = _call("athena", "_create_named_query", request)["NamedQueryId"]
    return query_id, {"NamedQueryId": query_id}


def _update_query(
    query_id: str, _: Properties, properties: Properties, stack: str, logical_id: str
) -> CreatedResource:
    # Every change replaces the query, as on AWS.
    created = _create_query(logical_id, properties, stack)
    _delete_query(query_id, properties)
    return created


def _delete_query(query_id: str, _: Properties) -> None:
    _call("athena", "_delete_named_query", {"NamedQueryId": query_id})


def _call(service: str, function: str, request: Properties) -> dict[str, Any]:
    # Not over HTTP: the stack is provisioned on the thread that would have to respond.
    status, _, body = resolve(f"ministack.services.{service}", function, ("data",))(request)
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


def _create_glue_configuration(_: str, properties: Properties, __: str) -> CreatedResource:
    name = properties["Name"]
    encryption = _rename_s3_encryptions(properties["EncryptionConfiguration"])
    for setting in _list_settings(encryption):
        modes = [value for key, value in setting.items() if key.endswith("EncryptionMode")]
        # As on AWS: a mode that uses a KMS key is refused without the key.
        if any("KMS" in mode for mode in modes) and not setting.get("KmsKeyArn"):
            raise ValueError(f"KmsKeyArn is required for {', '.join(modes)}.")
    request = {"Name": name, "EncryptionConfiguration": encryption}
    _call("glue", "_create_security_configuration", request)
    return name, {}


def _rename_s3_encryptions(encryption: Properties) -> Properties:
    """Return the settings as the API names them: CloudFormation has `S3Encryptions`."""
    return {"S3Encryption" if key == "S3Encryptions" else key: v for key, v in encryption.items()}


def _list_settings(encryption: Properties) -> list[Properties]:
    settings = []
    for setting in encryption.values():
        settings += setting if isinstance(setting, list) else [setting]
    return settings


def _update_glue_configuration(
    name: str, _: Properties, properties: Properties, stack: str, logical_id: str
) -> CreatedResource:
    # As for EMR: a change replaces the configuration, which fails if the name stays the same.
    created = _create_glue_configuration(logical_id, properties, stack)
    _delete_glue_configuration(name, properties)
    return created


def _delete_glue_configuration(name: str, _: Properties) -> None:
    _call("glue", "_delete_security_configuration", {"Name": name})
