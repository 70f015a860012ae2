"""Executions of the state machine, from `DescribeExecution` and from status-change events."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from pipeline.aws.clients import error_code

if TYPE_CHECKING:
    from types_boto3_stepfunctions import SFNClient

# The other states, RUNNING and PENDING_REDRIVE, may continue.
_FINAL_STATES = {"SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"}


@dataclass(frozen=True)
class Execution:
    """An execution of the state machine.

    Attributes:
        arn: ARN of the execution.
        run_id: ID of the run, which is the name of the execution.
        status: Status of the execution, such as `RUNNING`.
        error: Error name of the Fail state or of StopExecution. Empty if there is none.
        cause: Cause of the Fail state or of StopExecution. Empty if there is none.
        input: Input of the execution. Empty if unknown.
        output: Output of the execution. Empty if there is none.
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
        """Whether the execution is in a final state."""
        return self.status in _FINAL_STATES


def parse_execution(description: Mapping[str, Any]) -> Execution:
    """Build an execution from its description.

    Args:
        description: Response of `DescribeExecution`, or `detail` of a status-change event, which
            has the same fields.
    """
    return Execution(
        arn=description["executionArn"],
        run_id=description["name"],
        status=description["status"],
        error=description.get("error") or "",
        cause=description.get("cause") or "",
        input=_parse_object(description.get("input")),
        output=_parse_object(description.get("output")),
    )


def _parse_object(text: str | None) -> Mapping[str, Any]:
    """Return a JSON object. It is empty for any other input, which a manual start may have."""
    try:
        content = json.loads(text or "{}")
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def build_execution_arn(state_machine_arn: str, run_id: str) -> str:
    """Return the ARN of the execution of a run."""
    return f"{state_machine_arn.replace(':stateMachine:', ':execution:')}:{run_id}"


def find_execution(stepfunctions: SFNClient, arn: str) -> Execution | None:
    """Return the current state of an execution.

    Returns:
        The execution, or None if it does not exist: Step Functions deletes executions 90 days after
        they end.
    """
    try:
        return parse_execution(stepfunctions.describe_execution(executionArn=arn))
    except ClientError as error:
        if error_code(error) == "ExecutionDoesNotExist":
            return None
        raise


def build_console_url(arn: str) -> str:
    """Return the URL of an execution in the AWS Management Console."""
    region = arn.split(":")[3]
    return (
        f"https://{region}.console.aws.amazon.com/states/home?region={region}"
        f"#/v2/executions/details/{arn}"
    )
