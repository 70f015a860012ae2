"""Tests of the deployed state machine: missing permissions, and errors of its functions."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from tests.local.support.stack import Stack
from tests.local.support.state_machines import DENIED


@pytest.mark.parametrize(
    ("sid", "state", "action"),
    [
        ("InvokeFunctions", "PinInputs", "lambda:InvokeFunction"),
        ("UpdateRunsAndSlots", "RecordStarted", "dynamodb:UpdateItem"),
    ],
)
def test_missing_permission_fails_the_task(sid: str, state: str, action: str, stack: Stack) -> None:
    with stack.without_statement("PipelineRole", sid):
        execution = stack.wait_for_execution(
            stack.start_execution(f"lacks-{sid.lower()}-00000000000000000000")
        )
    assert execution["status"] == "FAILED"
    assert execution["cause"].startswith(f"{state}: ")
    assert DENIED.format(action=action) in execution["cause"]


@pytest.mark.parametrize(
    ("sid", "message"),
    [
        ("ManageStepFunctionsRules", "is not authorized to create managed-rule"),
        ("DeliverLogs", "not authorized to access the Log Destination"),
    ],
)
def test_update_without_permission_of_step_functions_is_denied(
    sid: str, message: str, stack: Stack
) -> None:
    client, arn = stack.client("stepfunctions"), stack.state_machine_arn
    definition = client.describe_state_machine(stateMachineArn=arn)["definition"]
    with (
        stack.without_statement("PipelineRole", sid),
        pytest.raises(ClientError, match=message),
    ):
        client.update_state_machine(stateMachineArn=arn, definition=definition)
    client.update_state_machine(stateMachineArn=arn, definition=definition)


def test_missing_input_fails_with_the_error_of_the_function(stack: Stack) -> None:
    execution_arn = stack.start_execution("gone-00000000000000000000")
    execution = stack.wait_for_execution(execution_arn)
    assert (execution["status"], execution["error"]) == ("FAILED", "InputMissingError")
    states = stack.get_entered_states(execution_arn)
    assert states[-3:] == ["ReportFailure", "RecordFailed", "Failed"]
