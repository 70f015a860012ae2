"""Tests of the CloudFormation resource types that the extensions add."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import WaiterError

from local import deployment
from local.cloud import Cloud
from tests.infra.support import template as templates
from tests.local.support.stack import Stack

STACK = "resources"


def build_template(query: str, *, is_encrypted: bool = False) -> str:
    resources: dict[str, Any] = {
        "Query": {
            "Type": "AWS::Athena::NamedQuery",
            "Properties": {"Name": "one", "Database": "default", "QueryString": query},
        },
        "Security": {
            "Type": "AWS::EMR::SecurityConfiguration",
            "Properties": {
                "SecurityConfiguration": {
                    "EncryptionConfiguration": {"EnableAtRestEncryption": is_encrypted}
                }
            },
        },
    }
    outputs = {
        "Query": {"Value": {"Ref": "Query"}},
        "Security": {"Value": {"Ref": "Security"}},
    }
    return json.dumps({"Resources": resources, "Outputs": outputs})


@pytest.fixture
def cloudformation(cloud: Cloud) -> Iterator[Any]:
    """The CloudFormation client of a cloud with the stack."""
    client = cloud.client("cloudformation")
    client.create_stack(StackName=STACK, TemplateBody=build_template("SELECT 1"))
    client.get_waiter("stack_create_complete").wait(StackName=STACK, WaiterConfig={"Delay": 1})
    yield client
    client.delete_stack(StackName=STACK)


def update_stack(cloudformation: Any, template: str) -> None:
    cloudformation.update_stack(StackName=STACK, TemplateBody=template)
    cloudformation.get_waiter("stack_update_complete").wait(
        StackName=STACK, WaiterConfig={"Delay": 1}
    )


def get_named_queries(cloud: Cloud) -> dict[str, str]:
    """Return the SQL of all named queries of the primary workgroup, by ID."""
    athena = cloud.client("athena")
    return {
        query_id: athena.get_named_query(NamedQueryId=query_id)["NamedQuery"]["QueryString"]
        for query_id in athena.list_named_queries(WorkGroup="primary")["NamedQueryIds"]
    }


def test_update_replaces_changed_resources_only(cloudformation: Any, cloud: Cloud) -> None:
    first = deployment.get_outputs(cloud, STACK)
    assert get_named_queries(cloud) == {first["Query"]: "SELECT 1"}
    assert first["Security"].startswith("resources-Security-")

    update_stack(cloudformation, build_template("SELECT 2"))
    second = deployment.get_outputs(cloud, STACK)
    assert get_named_queries(cloud) == {second["Query"]: "SELECT 2"}
    assert second["Security"] == first["Security"]

    update_stack(cloudformation, build_template("SELECT 2", is_encrypted=True))
    third = deployment.get_outputs(cloud, STACK)
    assert third["Security"] != second["Security"]

    cloudformation.delete_stack(StackName=STACK)
    cloudformation.get_waiter("stack_delete_complete").wait(
        StackName=STACK, WaiterConfig={"Delay": 1}
    )
    assert get_named_queries(cloud) == {}


def test_glue_configuration_needs_key_for_encryption(cloud: Cloud) -> None:
    encryption = {"CloudWatchEncryption": {"CloudWatchEncryptionMode": "SSE-KMS"}}
    properties = {"Name": "no-key", "EncryptionConfiguration": encryption}
    resource = {"Type": "AWS::Glue::SecurityConfiguration", "Properties": properties}
    client = cloud.client("cloudformation")
    body = json.dumps({"Resources": {"Security": resource}})
    client.create_stack(StackName="no-key", TemplateBody=body)
    with pytest.raises(WaiterError):
        client.get_waiter("stack_create_complete").wait(
            StackName="no-key", WaiterConfig={"Delay": 1}
        )
    [reason] = deployment.get_failure_reasons(cloud, "no-key")
    assert reason == "Security: KmsKeyArn is required for SSE-KMS."


def test_glue_configuration_of_stack_is_deleted_with_it(cloud: Cloud) -> None:
    properties = {"Name": "glue-security", "EncryptionConfiguration": {}}
    resource = {"Type": "AWS::Glue::SecurityConfiguration", "Properties": properties}
    client, glue = cloud.client("cloudformation"), cloud.client("glue")
    client.create_stack(
        StackName="glue-security", TemplateBody=json.dumps({"Resources": {"Security": resource}})
    )
    client.get_waiter("stack_create_complete").wait(
        StackName="glue-security", WaiterConfig={"Delay": 1}
    )
    configuration = glue.get_security_configuration(Name="glue-security")["SecurityConfiguration"]
    assert configuration["Name"] == "glue-security"
    client.delete_stack(StackName="glue-security")
    client.get_waiter("stack_delete_complete").wait(
        StackName="glue-security", WaiterConfig={"Delay": 1}
    )
    with pytest.raises(glue.exceptions.EntityNotFoundException):
        glue.get_security_configuration(Name="glue-security")


def test_topic_of_template_has_subscription_for_each_recipient(cloud: Cloud) -> None:
    """An update keeps the subscriptions of those who stay, in whatever order they are named."""
    topic = templates.resource("ReportTopic")
    parts = {name: templates.template()[name] for name in ("Parameters", "Conditions")}
    resource = {
        "Type": "AWS::SNS::Topic",
        "Properties": {name: value for name, value in topic.items() if name == "Subscription"},
    }
    body = json.dumps({**parts, "Resources": {"Topic": resource}})
    client, sns = cloud.client("cloudformation"), cloud.client("sns")

    def list_addresses() -> list[str]:
        response = client.describe_stack_resource(StackName="recipients", LogicalResourceId="Topic")
        arn = response["StackResourceDetail"]["PhysicalResourceId"]
        subscriptions = sns.list_subscriptions_by_topic(TopicArn=arn)["Subscriptions"]
        return [subscription["Endpoint"] for subscription in subscriptions]

    def get_request(addresses: str) -> dict[str, Any]:
        values = {"NotificationEmail": addresses, "SubnetId": "subnet-0"}
        parameters = [{"ParameterKey": k, "ParameterValue": v} for k, v in values.items()]
        return {"StackName": "recipients", "TemplateBody": body, "Parameters": parameters}

    client.create_stack(**get_request("a@example.org,b@example.org"))
    client.get_waiter("stack_create_complete").wait(
        StackName="recipients", WaiterConfig={"Delay": 1}
    )
    assert list_addresses() == ["a@example.org", "b@example.org"]
    client.update_stack(**get_request("b@example.org,c@example.org"))
    client.get_waiter("stack_update_complete").wait(
        StackName="recipients", WaiterConfig={"Delay": 1}
    )
    assert list_addresses() == ["b@example.org", "c@example.org"]


def test_named_queries_of_template_exist_in_athena(stack: Stack) -> None:
    athena = stack.client("athena")
    workgroup = stack.outputs["WorkgroupName"]
    ids = athena.list_named_queries(WorkGroup=workgroup)["NamedQueryIds"]
    actual = {
        query["Name"]: query["QueryString"]
        for query in athena.batch_get_named_query(NamedQueryIds=ids)["NamedQueries"]
    }
    assert actual == {
        query["Name"]: query["QueryString"]
        for query in templates.resources("AWS::Athena::NamedQuery").values()
    }
