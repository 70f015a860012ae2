"""Tests of the final status of an execution, and of the events that report it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from local.cloud import Cloud
from tests.local.support.stack import Stack
from tests.local.support.state_machines import StateMachineFactory, build_task
from tests.support.waiting import wait_until

GetStatusChanges = Callable[[str], list[str]]


@pytest.fixture(scope="session")
def get_status_changes(cloud: Cloud) -> GetStatusChanges:
    """Return the statuses of a machine's executions that EventBridge has sent, in order."""
    sqs = cloud.client("sqs")
    url = sqs.create_queue(QueueName="status-changes")["QueueUrl"]
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
    events = cloud.client("events")
    pattern = {"source": ["aws.states"], "detail-type": ["Step Functions Execution Status Change"]}
    events.put_rule(Name="status-changes", EventPattern=json.dumps(pattern))
    target = {"Id": "queue", "Arn": attributes["QueueArn"]}
    events.put_targets(Rule="status-changes", Targets=[target])
    received: list[dict[str, Any]] = []

    def get(machine_arn: str) -> list[str]:
        response = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)
        for message in response.get("Messages", []):
            received.append(json.loads(message["Body"])["detail"])
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return [detail["status"] for detail in received if detail["stateMachineArn"] == machine_arn]

    return get


def test_failure_is_sent_to_eventbridge(
    machines: StateMachineFactory, get_status_changes: GetStatusChanges
) -> None:
    fail = {"Type": "Fail", "Error": "Oh", "Cause": "no"}
    machine = machines.create_machine("failed", {"Do": fail})
    machines.start_execution(machine)
    assert wait_until(lambda: get_status_changes(machine) == ["RUNNING", "FAILED"], 10)


def test_aborted_execution_stays_aborted(
    machines: StateMachineFactory, cloud: Cloud, get_status_changes: GetStatusChanges
) -> None:
    arn = machines.create_function("waits", "import time\ntime.sleep(2)\nraise OSError('too late')")
    states = {"Do": build_task("lambda:invoke", {"FunctionName": arn, "Payload": {}})}
    machine = machines.create_machine("aborted", states, ("lambda:InvokeFunction",))
    execution = machines.start_execution(machine)
    cloud.client("stepfunctions").stop_execution(executionArn=execution, error="Enough")
    assert wait_until(lambda: get_status_changes(machine) == ["RUNNING", "ABORTED"], 10)
    assert not wait_until(lambda: machines.describe_execution(execution)["status"] != "ABORTED", 3)


def test_timed_out_execution_stays_timed_out(
    machines: StateMachineFactory, get_status_changes: GetStatusChanges
) -> None:
    arn = machines.create_function("slow", "import time\ntime.sleep(2)\nraise OSError('too late')")
    states = {"Do": build_task("lambda:invoke", {"FunctionName": arn, "Payload": {}})}
    machine = machines.create_machine("late", states, ("lambda:InvokeFunction",), TimeoutSeconds=1)
    execution = machines.start_execution(machine)
    assert wait_until(lambda: get_status_changes(machine) == ["RUNNING", "TIMED_OUT"], 10)
    assert not wait_until(
        lambda: machines.describe_execution(execution)["status"] != "TIMED_OUT", 3
    )


def test_aborted_run_invokes_watchdog(stack: Stack) -> None:
    execution = stack.start_execution("aborted-00000000000000000000")
    stack.client("stepfunctions").stop_execution(executionArn=execution)
    message = "Recorded the end of a run because its execution had not recorded it"
    assert wait_until(lambda: message in stack.read_log("watchdog"), 30)
    assert stack.describe_execution(execution)["status"] == "ABORTED"
