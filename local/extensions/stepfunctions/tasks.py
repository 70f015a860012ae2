"""Tasks call AWS APIs with the permissions of the state machine's role.

MiniStack implements service integrations in process and without authorization, so a permission that
the role lacks would only be noticed on AWS. Errors get the names that Step Functions gives them.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from botocore import xform_name
from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError
from botocore.model import StructureShape

from local.extensions.patching.clients import AssumeRoleError, get_client
from local.extensions.patching.patches import replace, resolve
from local.extensions.patching.responses import to_json_value
from local.extensions.stepfunctions import emr_tasks
from local.extensions.stepfunctions.executions import (
    STEP_FUNCTIONS,
    check_running,
    create_task_error,
    current_execution,
)

_PREFIX = "arn:aws:states:::"
_DYNAMODB_ACTIONS = {"getItem", "putItem", "updateItem", "deleteItem"}
_originals: dict[str, Callable[..., Any]] = {}


class _ErrorStyle:
    """How Step Functions names the errors of one service and formats their causes."""

    def __init__(self, prefix: str, base: str, cause_format: str) -> None:
        """Define a style.

        Args:
            prefix: The part of an error's name before the dot.
            base: The name of errors that are not in the service's model.
            cause_format: A format string with the fields message, status, code, and request.
        """
        self.prefix, self.base, self.cause_format = prefix, base, cause_format

    def convert(self, error: ClientError, modeled_errors: set[str]) -> Exception:
        """Convert an API error to the error of the task."""
        response = error.response
        code = response["Error"].get("Code", "")
        name = code if code.endswith("Exception") else f"{code}Exception"
        cause = self.cause_format.format(
            message=response["Error"].get("Message", ""),
            status=response["ResponseMetadata"].get("HTTPStatusCode", 0),
            code=code,
            request=response["ResponseMetadata"].get("RequestId", ""),
        )
        return create_task_error(
            f"{self.prefix}.{name if name in modeled_errors else self.base}", cause
        )


def _optimized_style(prefix: str, name: str) -> _ErrorStyle:
    # Optimized integrations use an older SDK than the SDK integrations, with another format.
    return _ErrorStyle(
        prefix,
        f"{name}Exception",
        f"{{message}} (Service: {name}; Status Code: {{status}}; Error Code: {{code}}; "
        "Request ID: {request}; Proxy: null)",
    )


def _sdk_style(service_id: str) -> _ErrorStyle:
    return _ErrorStyle(
        service_id,
        f"{service_id}Exception",
        f"{{message}} (Service: {service_id}, Status Code: {{status}}, Request ID: {{request}})",
    )


_OPTIMIZED = {
    "lambda": _optimized_style("Lambda", "AWSLambda"),
    "dynamodb": _optimized_style("DynamoDB", "AmazonDynamoDB"),
    "elasticmapreduce": _optimized_style("EMR", "AmazonElasticMapReduce"),
}


def install() -> None:
    """Replace what the resource of a task does."""
    _originals["invoke"] = replace(
        STEP_FUNCTIONS, "_invoke_resource", _invoke_resource, ("resource", "input_data")
    )


def _invoke_resource(resource: str, input_data: dict[str, Any]) -> Any:
    check_running()
    execution = current_execution.get()
    service, _, action = resource.removeprefix(_PREFIX).partition(":")
    if execution is None or not (service in _OPTIMIZED or service == "aws-sdk"):
        return _originals["invoke"](resource, input_data)
    machine = resolve(STEP_FUNCTIONS, "_state_machines").get(execution["stateMachineArn"])
    if machine is None:
        raise create_task_error("States.Runtime", "The state machine no longer exists.")
    if service == "aws-sdk":
        service, _, action = action.partition(":")
        client = _get_client(service, machine["roleArn"])
        style = _sdk_style(client.meta.service_model.service_id.replace(" ", ""))
        return _call(style, client, lambda: _call_api(client, action, input_data))
    style = _OPTIMIZED[service]
    client = _get_client("emr" if service == "elasticmapreduce" else service, machine["roleArn"])
    if service == "lambda" and action == "invoke":
        return _call(style, client, lambda: _invoke_function(client, input_data))
    if service == "dynamodb" and action in _DYNAMODB_ACTIONS:
        return _call(style, client, lambda: _call_api(client, action, input_data))
    if service == "elasticmapreduce" and action in emr_tasks.TASKS:
        task = emr_tasks.TASKS[action]
        return _call(style, client, lambda: task(client, input_data))
    return _originals["invoke"](resource, input_data)


def _get_client(service: str, role_arn: str) -> Any:
    try:
        return get_client(service, role_arn, "states.amazonaws.com")
    except AssumeRoleError as error:
        raise create_task_error("States.Runtime", str(error)) from error


def _call(style: _ErrorStyle, client: Any, function: Callable[[], Any]) -> Any:
    """Call a function and convert the errors of boto3 to errors of the task."""
    try:
        return function()
    except ClientError as error:
        model = client.meta.service_model
        modeled_errors = {
            name
            for name in model.shape_names
            if isinstance(shape := model.shape_for(name), StructureShape)
            and shape.metadata.get("exception")
        }
        raise style.convert(error, modeled_errors) from error
    except ParamValidationError as error:
        raise create_task_error(
            "States.Runtime", f"The arguments could not be used to start the Task: {error}"
        ) from error
    except BotoCoreError as error:
        raise create_task_error(f"{style.prefix}.SdkClientException", str(error)) from error


def _call_api(client: Any, action: str, arguments: dict[str, Any]) -> Any:
    response = getattr(client, xform_name(action))(**arguments)
    content = {name: value for name, value in response.items() if name != "ResponseMetadata"}
    return to_json_value(content, _format_timestamp)


def _invoke_function(client: Any, arguments: dict[str, Any]) -> dict[str, Any]:
    response = client.invoke(
        FunctionName=arguments["FunctionName"],
        Payload=json.dumps(arguments.get("Payload", {})).encode(),
    )
    payload = response["Payload"].read().decode()
    if "FunctionError" in response:
        error = json.loads(payload)
        raise create_task_error(error.get("errorType") or "Lambda.Unknown", payload)
    return {
        "ExecutedVersion": response.get("ExecutedVersion", "$LATEST"),
        "Payload": json.loads(payload) if payload else None,
        "StatusCode": response["StatusCode"],
    }


def _format_timestamp(timestamp: datetime) -> str:
    """Format a timestamp as the SDK integrations do."""
    return timestamp.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
