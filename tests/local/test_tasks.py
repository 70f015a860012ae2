"""The state machine's tasks: whose rights they have, how their errors are named, how they end."""

from __future__ import annotations

import io
import json
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.cloud import Cloud
from tests.local.stack import Stack
from tests.support.waiting import wait_until

State = dict[str, Any]
DENIED = "is not authorized to perform: {action} "


@dataclass
class Machines:
    """Small state machines, each with a role of its own."""

    cloud: Cloud

    def role(self, name: str, service: str, statements: list[dict[str, Any]]) -> str:
        iam = self.cloud.client("iam")
        trust = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
        made = iam.create_role(
            RoleName=name,
            AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": trust}),
        )
        if statements:
            document = {"Version": "2012-10-17", "Statement": statements}
            iam.put_role_policy(
                RoleName=name, PolicyName="own", PolicyDocument=json.dumps(document)
            )
        return str(made["Role"]["Arn"])

    def create(
        self, name: str, states: dict[str, State], actions: tuple[str, ...] = (), **more: Any
    ) -> str:
        """Make a machine that begins with the first of its states; its ARN."""
        statements = [{"Effect": "Allow", "Action": list(actions), "Resource": "*"}]
        definition = {
            "QueryLanguage": "JSONata",
            "StartAt": next(iter(states)),
            "States": states,
            **more,
        }
        made = self.cloud.client("stepfunctions").create_state_machine(
            name=name,
            definition=json.dumps(definition),
            roleArn=self.role(name, "states.amazonaws.com", statements if actions else []),
        )
        return str(made["stateMachineArn"])

    def start(self, machine: str) -> str:
        answer = self.cloud.client("stepfunctions").start_execution(stateMachineArn=machine)
        return str(answer["executionArn"])

    def describe(self, execution: str) -> dict[str, Any]:
        answer: dict[str, Any] = self.cloud.client("stepfunctions").describe_execution(
            executionArn=execution
        )
        return answer

    def run(self, name: str, *arguments: Any, **more: Any) -> dict[str, Any]:
        """The execution of a new machine, when it is over."""
        execution = self.start(self.create(name, *arguments, **more))
        assert wait_until(lambda: self.describe(execution)["status"] != "RUNNING", 30)
        return self.describe(execution)

    def function(self, name: str, body: str) -> str:
        """Make a function whose handler has that body; its ARN."""
        package = io.BytesIO()
        with zipfile.ZipFile(package, "w") as archive:
            lines = "\n    ".join(body.splitlines())
            archive.writestr("function.py", f"def handler(event, context):\n    {lines}\n")
        made = self.cloud.client("lambda").create_function(
            FunctionName=name,
            Runtime=f"python{sys.version_info.major}.{sys.version_info.minor}",
            Handler="function.handler",
            Timeout=10,
            Role=self.role(name, "lambda.amazonaws.com", []),
            Code={"ZipFile": package.getvalue()},
        )
        return str(made["FunctionArn"])


@pytest.fixture(scope="session")
def machines(cloud: Cloud) -> Machines:
    return Machines(cloud)


def task(resource: str, arguments: Any, **more: Any) -> State:
    return {
        "Type": "Task",
        "Resource": f"arn:aws:states:::{resource}",
        "Arguments": arguments,
        "TimeoutSeconds": 30,
        "End": True,
        **more,
    }


UPDATE = {
    "TableName": "nowhere",
    "Key": {"id": {"S": "1"}},
    "UpdateExpression": "SET a = :a",
    "ExpressionAttributeValues": {":a": {"S": "1"}},
}
TASKS = {
    "lambda:invoke": ({"FunctionName": "nowhere", "Payload": {}}, "lambda:InvokeFunction"),
    "dynamodb:updateItem": (UPDATE, "dynamodb:UpdateItem"),
    "aws-sdk:glue:getCrawler": ({"Name": "nowhere"}, "glue:GetCrawler"),
    "aws-sdk:glue:startCrawler": ({"Name": "nowhere"}, "glue:StartCrawler"),
    "elasticmapreduce:addStep": (
        {"ClusterId": "j-1", "Step": {"Name": "a", "HadoopJarStep": {"Jar": "command-runner.jar"}}},
        "elasticmapreduce:AddJobFlowSteps",
    ),
    "elasticmapreduce:terminateCluster": (
        {"ClusterId": "j-1"},
        "elasticmapreduce:TerminateJobFlows",
    ),
    "elasticmapreduce:cancelStep": (
        {"ClusterId": "j-1", "StepId": "s-1"},
        "elasticmapreduce:CancelSteps",
    ),
}
REFUSALS = {
    "lambda": "Lambda.AWSLambdaException",
    "dynamodb": "DynamoDB.AmazonDynamoDBException",
    "aws-sdk": "Glue.AccessDeniedException",
    "elasticmapreduce": "EMR.AmazonElasticMapReduceException",
}


@pytest.mark.parametrize("resource", TASKS)
def test_a_task_has_no_more_rights_than_the_machines_role(
    resource: str, machines: Machines
) -> None:
    arguments, action = TASKS[resource]
    ended = machines.run(resource.replace(":", "-"), {"Do": task(resource, arguments)})
    assert ended["status"] == "FAILED"
    assert ended["error"] == REFUSALS[resource.partition(":")[0]]
    assert DENIED.format(action=action) in ended["cause"]


@pytest.mark.parametrize(
    ("resource", "error"),
    [
        ("lambda:invoke", "Lambda.ResourceNotFoundException"),
        ("dynamodb:updateItem", "DynamoDB.ResourceNotFoundException"),
        ("aws-sdk:glue:getCrawler", "Glue.EntityNotFoundException"),
        ("aws-sdk:glue:startCrawler", "Glue.EntityNotFoundException"),
    ],
)
def test_a_services_error_has_step_functions_name(
    resource: str, error: str, machines: Machines
) -> None:
    arguments, action = TASKS[resource]
    name = f"missing-{resource.replace(':', '-')}"
    ended = machines.run(name, {"Do": task(resource, arguments)}, (action,))
    assert ended["error"] == error
    assert "(Service: " in ended["cause"]


def test_a_functions_answer_is_the_tasks_result(machines: Machines) -> None:
    arn = machines.function("answering", "return {'twice': 2 * event['number']}")
    state = task(
        "lambda:invoke",
        {"FunctionName": arn, "Payload": {"number": 21}},
        Output="{% $states.result.Payload %}",
    )
    ended = machines.run("answered", {"Do": state}, ("lambda:InvokeFunction",))
    assert json.loads(ended["output"]) == {"twice": 42}


@pytest.mark.parametrize(
    ("name", "body", "error", "words"),
    [
        (
            "raising",
            "class OutOfMilkError(Exception): pass\nraise OutOfMilkError('none: left\\nat all')",
            "OutOfMilkError",
            "none: left\nat all",
        ),
        ("dying", "import os\nos._exit(3)", "Runtime.ExitError", "Runtime exited"),
    ],
)
def test_a_functions_error_keeps_its_name(
    name: str, body: str, error: str, words: str, machines: Machines
) -> None:
    arguments = {"FunctionName": machines.function(name, body), "Payload": {}}
    states = {"Do": task("lambda:invoke", arguments)}
    ended = machines.run(f"caught-{name}", states, ("lambda:InvokeFunction",))
    assert ended["error"] == error
    cause = json.loads(ended["cause"])
    assert cause["errorType"] == error
    assert words in cause["errorMessage"]


def test_an_error_is_caught_by_its_name(machines: Machines) -> None:
    arn = machines.function("failing", "raise LookupError('gone')")
    states = {
        "Do": task(
            "lambda:invoke",
            {"FunctionName": arn, "Payload": {}},
            Retry=[{"ErrorEquals": ["LookupError"], "MaxAttempts": 1, "IntervalSeconds": 1}],
            Catch=[
                {"ErrorEquals": ["KeyError"], "Next": "Wrong"},
                {
                    "ErrorEquals": ["LookupError"],
                    "Assign": {"caught": "{% $states.errorOutput.Error %}"},
                    "Next": "Right",
                },
            ],
        ),
        "Wrong": {"Type": "Fail"},
        "Right": {"Type": "Pass", "Output": "{% $caught %}", "End": True},
    }
    ended = machines.run("caught", states, ("lambda:InvokeFunction",))
    assert json.loads(ended["output"]) == "LookupError"


def test_a_role_that_trusts_another_service_is_refused(machines: Machines, cloud: Cloud) -> None:
    role = machines.role("untrusting", "glue.amazonaws.com", [])
    with pytest.raises(ClientError, match="authorized to assume the provided role"):
        cloud.client("stepfunctions").create_state_machine(
            name="untrusted",
            definition='{"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}',
            roleArn=role,
        )


# ----------------------------------------------------------------------------------------------
# How an execution ends
# ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def status_changes(cloud: Cloud) -> Callable[[str], list[str]]:
    """The statuses that EventBridge told of a machine's executions, in the order they came."""
    queue = cloud.client("sqs")
    url = queue.create_queue(QueueName="status-changes")["QueueUrl"]
    arn = queue.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    events = cloud.client("events")
    pattern = {"source": ["aws.states"], "detail-type": ["Step Functions Execution Status Change"]}
    events.put_rule(Name="status-changes", EventPattern=json.dumps(pattern))
    target = {"Id": "queue", "Arn": arn["Attributes"]["QueueArn"]}
    events.put_targets(Rule="status-changes", Targets=[target])
    heard: list[dict[str, Any]] = []

    def of(machine: str) -> list[str]:
        answer = queue.receive_message(QueueUrl=url, MaxNumberOfMessages=10)
        for message in answer.get("Messages", []):
            heard.append(json.loads(message["Body"])["detail"])
            queue.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return [detail["status"] for detail in heard if detail["stateMachineArn"] == machine]

    return of


def test_a_failure_reaches_eventbridge(
    machines: Machines, status_changes: Callable[[str], list[str]]
) -> None:
    machine = machines.create("failed", {"Do": {"Type": "Fail", "Error": "Oh", "Cause": "no"}})
    machines.start(machine)
    assert wait_until(lambda: status_changes(machine) == ["RUNNING", "FAILED"], 10)


def test_an_abort_reaches_eventbridge_and_stays_one(
    machines: Machines, cloud: Cloud, status_changes: Callable[[str], list[str]]
) -> None:
    arn = machines.function("waiting", "import time\ntime.sleep(2)\nraise OSError('too late')")
    states = {"Do": task("lambda:invoke", {"FunctionName": arn, "Payload": {}})}
    machine = machines.create("aborted", states, ("lambda:InvokeFunction",))
    execution = machines.start(machine)
    cloud.client("stepfunctions").stop_execution(executionArn=execution, error="Enough")
    assert wait_until(lambda: status_changes(machine) == ["RUNNING", "ABORTED"], 10)
    assert not wait_until(lambda: machines.describe(execution)["status"] != "ABORTED", 3)


def test_a_machines_time_out_reaches_eventbridge_and_stays_one(
    machines: Machines, status_changes: Callable[[str], list[str]]
) -> None:
    arn = machines.function("slow", "import time\ntime.sleep(2)\nraise OSError('too late')")
    states = {"Do": task("lambda:invoke", {"FunctionName": arn, "Payload": {}})}
    machine = machines.create("late", states, ("lambda:InvokeFunction",), TimeoutSeconds=1)
    execution = machines.start(machine)
    assert wait_until(lambda: status_changes(machine) == ["RUNNING", "TIMED_OUT"], 10)
    assert not wait_until(lambda: machines.describe(execution)["status"] != "TIMED_OUT", 3)


def test_no_catch_sees_a_runtime_error(machines: Machines) -> None:
    bad = task(
        "dynamodb:updateItem",
        {**UPDATE, "NoSuchArgument": 1},
        Catch=[{"ErrorEquals": ["States.ALL"], "Next": "Caught"}],
    )
    ended = machines.run(
        "runtime", {"Do": bad, "Caught": {"Type": "Succeed"}}, ("dynamodb:UpdateItem",)
    )
    assert (ended["status"], ended["error"]) == ("FAILED", "States.Runtime")


# ----------------------------------------------------------------------------------------------
# The deployed template
# ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sid", "state", "action"),
    [
        ("Functions", "PinInputs", "lambda:InvokeFunction"),
        ("Ledger", "RecordStarted", "dynamodb:UpdateItem"),
    ],
)
def test_a_permission_that_the_pipelines_role_lacks_fails_its_task(
    sid: str, state: str, action: str, stack: Stack
) -> None:
    with stack.without("PipelineRole", sid):
        ended = stack.wait_for_end(stack.start(f"lacks-{sid.lower()}-00000000000000000000"))
    assert ended["status"] == "FAILED"
    assert ended["cause"].startswith(f"{state}: ")
    assert DENIED.format(action=action) in ended["cause"]


@pytest.mark.parametrize(
    ("sid", "words"),
    [
        ("RulesThatTellOfStepsAndClusters", "is not authorized to create managed-rule"),
        ("Log", "not authorized to access the Log Destination"),
    ],
)
def test_the_pipeline_is_refused_without_what_step_functions_itself_needs(
    sid: str, words: str, stack: Stack
) -> None:
    states = stack.client("stepfunctions")
    definition = states.describe_state_machine(stateMachineArn=stack.machine)["definition"]
    with stack.without("PipelineRole", sid), pytest.raises(ClientError, match=words):
        states.update_state_machine(stateMachineArn=stack.machine, definition=definition)
    states.update_state_machine(stateMachineArn=stack.machine, definition=definition)


def test_a_run_whose_input_is_gone_fails_by_its_functions_error(stack: Stack) -> None:
    execution = stack.start("gone-00000000000000000000")
    ended = stack.wait_for_end(execution)
    assert (ended["status"], ended["error"]) == ("FAILED", "InputMissingError")
    assert stack.states(execution)[-3:] == ["ReportFailure", "RecordFailed", "Failed"]


def test_an_aborted_run_wakes_the_watchdog(stack: Stack) -> None:
    execution = stack.start("aborted-00000000000000000000")
    stack.client("stepfunctions").stop_execution(executionArn=execution)
    assert wait_until(lambda: "run had ended without a word" in stack.log_of("watchdog"), 30)
    assert stack.describe(execution)["status"] == "ABORTED"
