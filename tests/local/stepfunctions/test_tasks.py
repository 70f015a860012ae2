"""Tests of tasks: the permissions they use, their results, and the names of their errors."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import ClientError

from local.cloud import Cloud
from tests.local.support.state_machines import DENIED, StateMachineFactory, build_task

UPDATE_ITEM = {
    "TableName": "nowhere",
    "Key": {"id": {"S": "1"}},
    "UpdateExpression": "SET a = :a",
    "ExpressionAttributeValues": {":a": {"S": "1"}},
}
# Resource -> (arguments, action that the role must be allowed)
TASKS = {
    "lambda:invoke": ({"FunctionName": "nowhere", "Payload": {}}, "lambda:InvokeFunction"),
    "dynamodb:updateItem": (UPDATE_ITEM, "dynamodb:UpdateItem"),
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
ACCESS_DENIED_ERRORS = {
    "lambda": "Lambda.AWSLambdaException",
    "dynamodb": "DynamoDB.AmazonDynamoDBException",
    "aws-sdk": "Glue.AccessDeniedException",
    "elasticmapreduce": "EMR.AmazonElasticMapReduceException",
}


@pytest.mark.parametrize("resource", TASKS)
def test_task_has_only_the_permissions_of_its_role(
    resource: str, machines: StateMachineFactory
) -> None:
    arguments, action = TASKS[resource]
    execution = machines.run(resource.replace(":", "-"), {"Do": build_task(resource, arguments)})
    assert execution["status"] == "FAILED"
    assert execution["error"] == ACCESS_DENIED_ERRORS[resource.partition(":")[0]]
    assert DENIED.format(action=action) in execution["cause"]


@pytest.mark.parametrize(
    ("resource", "error"),
    [
        ("lambda:invoke", "Lambda.ResourceNotFoundException"),
        ("dynamodb:updateItem", "DynamoDB.ResourceNotFoundException"),
        ("aws-sdk:glue:getCrawler", "Glue.EntityNotFoundException"),
        ("aws-sdk:glue:startCrawler", "Glue.EntityNotFoundException"),
    ],
)
def test_api_error_gets_the_name_that_step_functions_uses(
    resource: str, error: str, machines: StateMachineFactory
) -> None:
    arguments, action = TASKS[resource]
    name = f"missing-{resource.replace(':', '-')}"
    execution = machines.run(name, {"Do": build_task(resource, arguments)}, (action,))
    assert execution["error"] == error
    assert "(Service: " in execution["cause"]


def test_result_of_function_is_the_result_of_task(machines: StateMachineFactory) -> None:
    arn = machines.create_function("doubles", "return {'twice': 2 * event['number']}")
    state = build_task(
        "lambda:invoke",
        {"FunctionName": arn, "Payload": {"number": 21}},
        Output="{% $states.result.Payload %}",
    )
    execution = machines.run("doubled", {"Do": state}, ("lambda:InvokeFunction",))
    assert json.loads(execution["output"]) == {"twice": 42}


@pytest.mark.parametrize(
    ("name", "body", "error", "message"),
    [
        (
            "raises",
            "class OutOfMilkError(Exception): pass\nraise OutOfMilkError('none: left\\nat all')",
            "OutOfMilkError",
            "none: left\nat all",
        ),
        ("exits", "import os\nos._exit(3)", "Runtime.ExitError", "Runtime exited"),
    ],
)
def test_error_of_function_keeps_its_type(
    name: str, body: str, error: str, message: str, machines: StateMachineFactory
) -> None:
    arguments = {"FunctionName": machines.create_function(name, body), "Payload": {}}
    states = {"Do": build_task("lambda:invoke", arguments)}
    execution = machines.run(f"function-{name}", states, ("lambda:InvokeFunction",))
    assert execution["error"] == error
    cause = json.loads(execution["cause"])
    assert cause["errorType"] == error
    assert message in cause["errorMessage"]


def test_error_is_caught_by_its_type(machines: StateMachineFactory) -> None:
    arn = machines.create_function("failing", "raise LookupError('gone')")
    states = {
        "Do": build_task(
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
    execution = machines.run("caught", states, ("lambda:InvokeFunction",))
    assert json.loads(execution["output"]) == "LookupError"


def test_states_all_does_not_catch_runtime_error(machines: StateMachineFactory) -> None:
    invalid = build_task(
        "dynamodb:updateItem",
        {**UPDATE_ITEM, "NoSuchArgument": 1},
        Catch=[{"ErrorEquals": ["States.ALL"], "Next": "Caught"}],
    )
    execution = machines.run(
        "runtime", {"Do": invalid, "Caught": {"Type": "Succeed"}}, ("dynamodb:UpdateItem",)
    )
    assert (execution["status"], execution["error"]) == ("FAILED", "States.Runtime")


def test_role_that_does_not_trust_step_functions_is_denied(
    machines: StateMachineFactory, cloud: Cloud
) -> None:
    role = machines.create_role("trusts-glue", "glue.amazonaws.com", [])
    with pytest.raises(ClientError, match="authorized to assume the provided role"):
        cloud.client("stepfunctions").create_state_machine(
            name="untrusted",
            definition='{"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}',
            roleArn=role,
        )
