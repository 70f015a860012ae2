"""Small Lambda functions for tests of the local cloud itself."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

from local.cloud import Cloud

_HANDLER = (
    "import os, time\ndef handler(event, context):\n    return {'pid': os.getpid(), **event}\n"
)


def create_and_invoke_function(
    cloud: Cloud, name: str, code: str = _HANDLER, runtime: str = "python3.13"
) -> dict[str, Any]:
    """Create a function and invoke it once. Its process stays alive and waits for more events.

    Args:
        cloud: The local cloud to use.
        name: The name of the function and of its role.
        code: The module with the function `handler`.
        runtime: The Lambda runtime.

    Returns:
        The response. By default, it is the event with the process ID of the function as `pid`.
    """
    package = io.BytesIO()
    with zipfile.ZipFile(package, "w") as archive:
        archive.writestr("function.py", code)
    role = cloud.client("iam").create_role(
        RoleName=name,
        AssumeRolePolicyDocument=json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": {
                    "Effect": "Allow",
                    "Principal": {"Service": "lambda.amazonaws.com"},
                    "Action": "sts:AssumeRole",
                },
            }
        ),
    )
    functions = cloud.client("lambda")
    functions.create_function(
        FunctionName=name,
        Runtime=runtime,
        Handler="function.handler",
        Role=role["Role"]["Arn"],
        Code={"ZipFile": package.getvalue()},
    )
    response = functions.invoke(FunctionName=name, Payload=json.dumps({"name": name}))
    result: dict[str, Any] = json.loads(response["Payload"].read())
    return result
