"""`./run invoke`: one function, as it was built, on the real Lambda runtime interface."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.cloud import Cloud
from local.deployment import BUILD_FOLDER, STACK
from local.errors import UserError
from local.lambda_runtime import Function

EVENTS = Path(__file__).resolve().parents[2] / "events"


@dataclass(frozen=True)
class Deployed:
    """A function of the stack: its logical id, and its configuration as Lambda tells it."""

    logical_id: str
    configuration: dict[str, Any]

    @property
    def module(self) -> str:
        """`receive_upload` for `handlers.receive_upload.handler`."""
        return str(self.configuration["Handler"]).split(".")[-2]


def find_event(words: str) -> str:
    """The text of an event: a file, or the name of one in `events/`. UserError."""
    for path in (Path(words), EVENTS / words, EVENTS / f"{words}.json"):
        if path.is_file():
            break
    else:
        names = ", ".join(sorted(file.stem for file in EVENTS.glob("*.json")))
        raise UserError(f"no file {words}, and events/ has no such name; there are {names}")
    text = path.read_text("utf-8")
    try:
        json.loads(text)
    except ValueError as error:
        raise UserError(f"{path} is no JSON: {error}") from None
    return text


def find_function(cloud: Cloud, words: str) -> Function:
    """A function of the deployed stack by its logical id or its module's name, as it was built.

    It has the variables of the deployed one, and the rights of its role. UserError.
    """
    deployed = deployed_functions(cloud)
    for one in deployed:
        if words in {one.logical_id, one.module}:
            break
    else:
        names = ", ".join(sorted(one.module for one in deployed))
        raise UserError(f"no function {words!r}; there are {names}")
    configuration = one.configuration
    return Function(
        name=configuration["FunctionName"],
        handler=configuration["Handler"],
        package=built_package(one.logical_id),
        memory_mb=configuration["MemorySize"],
        timeout_seconds=configuration["Timeout"],
        environment=cloud.environment()
        | _credentials(cloud, configuration["Role"])
        | configuration.get("Environment", {}).get("Variables", {}),
    )


def deployed_functions(cloud: Cloud) -> list[Deployed]:
    """The functions of the stack; UserError where it is not deployed."""
    functions = cloud.client("lambda")
    formation = cloud.client("cloudformation")
    try:
        pages = list(formation.get_paginator("list_stack_resources").paginate(StackName=STACK))
    except formation.exceptions.ClientError:
        raise UserError("the stack is not deployed: ./run local up does that") from None
    return [
        Deployed(
            resource["LogicalResourceId"],
            functions.get_function_configuration(FunctionName=resource["PhysicalResourceId"]),
        )
        for page in pages
        for resource in page["StackResourceSummaries"]
        if resource["ResourceType"] == "AWS::Lambda::Function"
    ]


def _credentials(cloud: Cloud, role_arn: str) -> dict[str, str]:
    session = cloud.client("sts").assume_role(RoleArn=role_arn, RoleSessionName="invoke")
    return {
        "AWS_ACCESS_KEY_ID": session["Credentials"]["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": session["Credentials"]["SecretAccessKey"],
        "AWS_SESSION_TOKEN": session["Credentials"]["SessionToken"],
    }


def built_package(logical_id: str) -> Path:
    """The folder in which `sam build` left the function's code; UserError if it is not there."""
    package = BUILD_FOLDER / "template" / logical_id
    if not package.is_dir():
        raise UserError(f"{logical_id} is not built: ./run local up does that")
    return package
