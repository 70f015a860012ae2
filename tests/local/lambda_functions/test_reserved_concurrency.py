"""Tests of the template's reserved concurrency, with CloudFormation on the local cloud."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import WaiterError

from local import deployment
from local.cloud import Cloud
from tests.infra.support.template import resource, template

STACK = "reserved-concurrency"
PARAMETER = "ReceiveUploadConcurrency"
TEMPLATE = json.dumps(
    {
        "Parameters": {PARAMETER: template()["Parameters"][PARAMETER]},
        "Conditions": template()["Conditions"],
        "Resources": {
            "Function": {
                "Type": "AWS::Lambda::Function",
                "Properties": {
                    "FunctionName": STACK,
                    "Code": {"ZipFile": "def handler(event, context): return {}"},
                    "ReservedConcurrentExecutions": resource("ReceiveUploadFunction")[
                        "ReservedConcurrentExecutions"
                    ],
                },
            }
        },
    }
)


@pytest.fixture
def cloudformation(cloud: Cloud) -> Iterator[Any]:
    """The CloudFormation client of a cloud with the stack, which reserves nothing."""
    client = cloud.client("cloudformation")
    client.create_stack(StackName=STACK, TemplateBody=TEMPLATE)
    client.get_waiter("stack_create_complete").wait(StackName=STACK, WaiterConfig={"Delay": 1})
    yield client
    client.delete_stack(StackName=STACK)


def update_stack(client: Any, concurrency: int) -> None:
    parameter = {"ParameterKey": PARAMETER, "ParameterValue": str(concurrency)}
    client.update_stack(StackName=STACK, TemplateBody=TEMPLATE, Parameters=[parameter])
    client.get_waiter("stack_update_complete").wait(StackName=STACK, WaiterConfig={"Delay": 1})


def get_concurrency(cloud: Cloud) -> int | None:
    response = cloud.client("lambda").get_function_concurrency(FunctionName=STACK)
    concurrency: int | None = response.get("ReservedConcurrentExecutions")
    return concurrency


def test_concurrency_is_reserved_only_on_request(cloudformation: Any, cloud: Cloud) -> None:
    assert get_concurrency(cloud) is None
    update_stack(cloudformation, 5)
    assert get_concurrency(cloud) == 5
    update_stack(cloudformation, 0)
    assert get_concurrency(cloud) is None


def test_reservation_that_leaves_too_little_is_rejected(cloudformation: Any, cloud: Cloud) -> None:
    limits = cloud.client("lambda").get_account_settings()["AccountLimit"]
    highest = limits["UnreservedConcurrentExecutions"] - 100
    update_stack(cloudformation, highest)
    with pytest.raises(WaiterError):
        update_stack(cloudformation, highest + 1)
    [reason, *_] = deployment.get_failure_reasons(cloud, STACK)
    assert "UnreservedConcurrentExecution below its minimum value of [100]" in reason
    assert get_concurrency(cloud) == highest
