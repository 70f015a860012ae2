"""The data lake settings of Lake Formation.

They are those of a new account: IAM alone controls new databases and tables. The local Glue and
Athena do not evaluate permissions of Lake Formation.
"""

from __future__ import annotations

import json
from typing import Any

from local.extensions.patching.responses import Response, error_response, success_response
from local.extensions.patching.services import add_service

_IAM_ONLY = [
    {
        "Principal": {"DataLakePrincipalIdentifier": "IAM_ALLOWED_PRINCIPALS"},
        "Permissions": ["ALL"],
    }
]

_settings: dict[str, Any] = {}


def install() -> None:
    """Add the service."""
    _settings.update(
        DataLakeAdmins=[],
        CreateDatabaseDefaultPermissions=_IAM_ONLY,
        CreateTableDefaultPermissions=_IAM_ONLY,
    )
    add_service("lakeformation", "lakeformation", _handle_request)


async def _handle_request(
    _: str, path: str, __: dict[str, str], body: bytes, ___: dict[str, Any]
) -> Response:
    if path == "/GetDataLakeSettings":
        return success_response({"DataLakeSettings": _settings})
    if path == "/PutDataLakeSettings":
        # As on AWS, the call replaces all settings.
        new_settings = json.loads(body)["DataLakeSettings"]
        _settings.clear()
        _settings.update(new_settings)
        return success_response({})
    return error_response("UnknownOperationException", f"The path {path} is not supported.")
