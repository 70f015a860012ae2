"""The state machine's tasks are calls to the API, with the rights of its role.

MiniStack does its services' work itself and asks nobody: a permission that the role lacks would be
missed on AWS first. Errors get the names that Step Functions gives them.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from botocore import xform_name
from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError
from botocore.model import StructureShape

from local.extensions.patching.clients import NotAssumableError, client
from local.extensions.patching.patches import replace, resolve
from local.extensions.patching.responses import plain_json
from local.extensions.stepfunctions import emr_tasks
from local.extensions.stepfunctions.executions import MODULE, check_running, current, failure

_PREFIX = "arn:aws:states:::"
_DYNAMODB = {
    "getItem": "get_item",
    "putItem": "put_item",
    "updateItem": "update_item",
    "deleteItem": "delete_item",
}
_originals: dict[str, Callable[..., Any]] = {}


class _Service:
    """How Step Functions names a service's errors, and words their causes."""

    def __init__(self, prefix: str, base: str, words: str) -> None:
        self.prefix, self.base, self.words = prefix, base, words

    def error(self, error: ClientError, modelled: set[str]) -> Exception:
        """The task's failure for an answer of the API."""
        answer = error.response
        code = answer["Error"].get("Code", "")
        name = code if code.endswith("Exception") else f"{code}Exception"
        cause = self.words.format(
            message=answer["Error"].get("Message", ""),
            status=answer["ResponseMetadata"].get("HTTPStatusCode", 0),
            code=code,
            request=answer["ResponseMetadata"].get("RequestId", ""),
        )
        return failure(f"{self.prefix}.{name if code in modelled else self.base}", cause)


def _optimized(prefix: str, name: str) -> _Service:
    # Optimized integrations are older than the SDK integrations, and so is their SDK.
    return _Service(
        prefix,
        f"{name}Exception",
        f"{{message}} (Service: {name}; Status Code: {{status}}; Error Code: {{code}}; "
        "Request ID: {request}; Proxy: null)",
    )


_OPTIMIZED = {
    "lambda": _optimized("Lambda", "AWSLambda"),
    "dynamodb": _optimized("DynamoDB", "AmazonDynamoDB"),
    "elasticmapreduce": _optimized("EMR", "AmazonElasticMapReduce"),
}


def install() -> None:
    """Replace what a task's resource does."""
    _originals["invoke"] = replace(MODULE, "_invoke_resource", _invoke, ("resource", "input_data"))


def _invoke(resource: str, input_data: dict[str, Any]) -> Any:
    check_running()
    execution = current.get()
    service, _, action = resource.removeprefix(_PREFIX).partition(":")
    if execution is None or not (service in _OPTIMIZED or service == "aws-sdk"):
        return _originals["invoke"](resource, input_data)
    machine = resolve(MODULE, "_state_machines").get(execution["stateMachineArn"])
    if machine is None:
        raise failure("States.Runtime", "The state machine is gone.")
    if service == "aws-sdk":
        service, _, action = action.partition(":")
        caller = _client(service, machine["roleArn"])
        identifier = caller.meta.service_model.service_id.replace(" ", "")
        naming = _Service(
            identifier,
            f"{identifier}Exception",
            f"{{message}} (Service: {identifier}, Status Code: {{status}}, "
            "Request ID: {request})",
        )
        method = xform_name(action)
        return _call(naming, caller, lambda: _answer(getattr(caller, method)(**input_data)))
    naming = _OPTIMIZED[service]
    caller = _client("emr" if service == "elasticmapreduce" else service, machine["roleArn"])
    if service == "lambda" and action == "invoke":
        return _call(naming, caller, lambda: _invoke_function(caller, input_data))
    if service == "dynamodb" and action in _DYNAMODB:
        method = _DYNAMODB[action]
        return _call(naming, caller, lambda: _answer(getattr(caller, method)(**input_data)))
    if service == "elasticmapreduce" and action in emr_tasks.TASKS:
        task = emr_tasks.TASKS[action]
        return _call(naming, caller, lambda: task(caller, input_data))
    return _originals["invoke"](resource, input_data)


def _client(service: str, role_arn: str) -> Any:
    try:
        return client(service, role_arn, "states.amazonaws.com")
    except NotAssumableError as error:
        raise failure("States.Runtime", str(error)) from error


def _call(naming: _Service, caller: Any, call: Callable[[], Any]) -> Any:
    try:
        return call()
    except ClientError as error:
        model = caller.meta.service_model
        modelled = {
            name
            for name in model.shape_names
            if isinstance(shape := model.shape_for(name), StructureShape)
            and shape.metadata.get("exception")
        }
        raise naming.error(error, modelled) from error
    except ParamValidationError as error:
        raise failure(
            "States.Runtime", f"The arguments could not be used to start the Task: {error}"
        ) from error
    except BotoCoreError as error:
        raise failure(f"{naming.prefix}.SdkClientException", str(error)) from error


def _invoke_function(caller: Any, arguments: dict[str, Any]) -> dict[str, Any]:
    answer = caller.invoke(
        FunctionName=arguments["FunctionName"],
        Payload=json.dumps(arguments.get("Payload", {})).encode(),
    )
    text = answer["Payload"].read().decode()
    if "FunctionError" in answer:
        error = json.loads(text)
        raise failure(error.get("errorType") or "Lambda.Unknown", text)
    return {
        "ExecutedVersion": answer.get("ExecutedVersion", "$LATEST"),
        "Payload": json.loads(text) if text else None,
        "StatusCode": answer["StatusCode"],
    }


def _answer(answer: dict[str, Any]) -> Any:
    told = {name: value for name, value in answer.items() if name != "ResponseMetadata"}
    return plain_json(told, _iso)


def _iso(moment: datetime) -> str:
    """A time as the SDK integrations write it."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
