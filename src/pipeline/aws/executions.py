"""Executions of the state machine, as DescribeExecution and its status-change events show them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from pipeline.aws.clients import error_code

if TYPE_CHECKING:
    from types_boto3_stepfunctions import SFNClient

# What is not here may go on: RUNNING, and PENDING_REDRIVE.
_ENDED = {"SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"}


@dataclass(frozen=True)
class Execution:
    """One execution; `run_id` is its name. `input` and `output` are empty where nobody tells them.

    `error` and `cause` are what the Fail state said, or whoever stopped it; empty if nothing.
    """

    arn: str
    run_id: str
    status: str
    error: str
    cause: str
    input: Mapping[str, Any]
    output: Mapping[str, Any]

    @property
    def has_ended(self) -> bool:
        return self.status in _ENDED


def from_description(description: Mapping[str, Any]) -> Execution:
    """The execution of a DescribeExecution answer or an event's `detail`, which are alike."""
    return Execution(
        arn=description["executionArn"],
        run_id=description["name"],
        status=description["status"],
        error=description.get("error") or "",
        cause=description.get("cause") or "",
        input=_object(description.get("input")),
        output=_object(description.get("output")),
    )


def _object(text: str | None) -> Mapping[str, Any]:
    """A JSON object; empty for none, and for an input of another form that somebody started."""
    try:
        content = json.loads(text or "{}")
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def execution_arn(state_machine_arn: str, run_id: str) -> str:
    """The ARN of a run's execution."""
    return f"{state_machine_arn.replace(':stateMachine:', ':execution:')}:{run_id}"


def find_execution(stepfunctions: SFNClient, arn: str) -> Execution | None:
    """Return the current state of an execution.

    Returns:
        The execution, or None if it does not exist: Step Functions deletes executions 90 days after
        they end.
    """
    try:
        return from_description(stepfunctions.describe_execution(executionArn=arn))
    except ClientError as error:
        if error_code(error) == "ExecutionDoesNotExist":
            return None
        raise


def console_link(arn: str) -> str:
    """Where a browser shows the execution."""
    region = arn.split(":")[3]
    return (
        f"https://{region}.console.aws.amazon.com/states/home?region={region}"
        f"#/v2/executions/details/{arn}"
    )
