"""`./run invoke`: find a built function and an event."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.cloud import Cloud
from local.deployment import BUILD_FOLDER, STACK
from local.errors import UserError
from local.lambda_runtime import Function

EVENTS_FOLDER = Path(__file__).resolve().parents[2] / "events"


@dataclass(frozen=True)
class DeployedFunction:
    """A function of the deployed stack.

    Attributes:
        logical_id: Logical ID in the template.
        configuration: Response of Lambda's `GetFunctionConfiguration`.
    """

    logical_id: str
    configuration: dict[str, Any]

    @property
    def module(self) -> str:
        """Module of the handler: `receive_upload` for `handlers.receive_upload.handler`."""
        return str(self.configuration["Handler"]).split(".")[-2]


def read_event(name: str) -> str:
    """Return the JSON text of an event.

    Args:
        name: Path of a file, or the name of a file in `events/` with or without its suffix.

    Raises:
        UserError: There is no such event, or it is not valid JSON.
    """
    for path in (Path(name), EVENTS_FOLDER / name, EVENTS_FOLDER / f"{name}.json"):
        if path.is_file():
            break
    else:
        names = ", ".join(sorted(file.stem for file in EVENTS_FOLDER.glob("*.json")))
        raise UserError(f"event {name!r} not found: specify a JSON file or one of {names}")
    text = path.read_text("utf-8")
    try:
        json.loads(text)
    except ValueError as error:
        raise UserError(f"{path} is not valid JSON: {error}") from None
    return text


def find_function(cloud: Cloud, name: str) -> Function:
    """Return a built function with the configuration and permissions of the deployed one.

    Args:
        cloud: Local cloud with the deployed stack.
        name: Logical ID of the function, or the module of its handler.

    Raises:
        UserError: The stack is not deployed, it has no such function, or the function is not built.
    """
    functions = list_deployed_functions(cloud)
    for function in functions:
        if name in {function.logical_id, function.module}:
            break
    else:
        names = ", ".join(sorted(function.module for function in functions))
        raise UserError(f"function {name!r} not found: specify one of {names}")
    configuration = function.configuration
    return Function(
        name=configuration["FunctionName"],
        handler=configuration["Handler"],
        package=get_built_package(function.logical_id),
        memory_mb=configuration["MemorySize"],
        timeout_seconds=configuration["Timeout"],
        environment=cloud.environment()
        | _assume_role(cloud, configuration["Role"])
        | configuration.get("Environment", {}).get("Variables", {}),
    )


def list_deployed_functions(cloud: Cloud) -> list[DeployedFunction]:
    """Return the functions of the deployed stack.

    Raises:
        UserError: The stack is not deployed.
    """
    lambda_client = cloud.client("lambda")
    cloudformation = cloud.client("cloudformation")
    try:
        paginator = cloudformation.get_paginator("list_stack_resources")
        pages = list(paginator.paginate(StackName=STACK))
    except cloudformation.exceptions.ClientError:
        raise UserError("the stack is not deployed: deploy it with ./run local up") from None
    return [
        DeployedFunction(
            resource["LogicalResourceId"],
            lambda_client.get_function_configuration(FunctionName=resource["PhysicalResourceId"]),
        )
        for page in pages
        for resource in page["StackResourceSummaries"]
        if resource["ResourceType"] == "AWS::Lambda::Function"
    ]


def get_built_package(logical_id: str) -> Path:
    """Return the folder with the code of a function as `sam build` wrote it.

    Raises:
        UserError: The function is not built.
    """
    package = BUILD_FOLDER / "template" / logical_id
    if not package.is_dir():
        raise UserError(f"{logical_id} is not built: build it with ./run local up")
    return package


def _assume_role(cloud: Cloud, role_arn: str) -> dict[str, str]:
    """Return the credentials of a role as environment variables."""
    response = cloud.client("sts").assume_role(RoleArn=role_arn, RoleSessionName="invoke")
    credentials = response["Credentials"]
    return {
        "AWS_ACCESS_KEY_ID": credentials["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": credentials["SecretAccessKey"],
        "AWS_SESSION_TOKEN": credentials["SessionToken"],
    }
