"""Resource types that the emulator lacks, through CloudFormation."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local import deployment
from local.cloud import Cloud
from tests.infra import template as templates
from tests.local.stack import Stack
from tests.support.waiting import wait_until

NAME = "resources"


def template(query: str, *, encrypts: bool = False) -> str:
    resources: dict[str, Any] = {
        "Query": {
            "Type": "AWS::Athena::NamedQuery",
            "Properties": {"Name": "one", "Database": "default", "QueryString": query},
        },
        "Security": {
            "Type": "AWS::EMR::SecurityConfiguration",
            "Properties": {
                "SecurityConfiguration": {
                    "EncryptionConfiguration": {"EnableAtRestEncryption": encrypts}
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
def formation(cloud: Cloud) -> Iterator[Any]:
    client = cloud.client("cloudformation")
    client.create_stack(StackName=NAME, TemplateBody=template("SELECT 1"))
    client.get_waiter("stack_create_complete").wait(StackName=NAME, WaiterConfig={"Delay": 1})
    yield client
    client.delete_stack(StackName=NAME)


def queries(cloud: Cloud) -> dict[str, str]:
    athena = cloud.client("athena")
    return {
        query_id: athena.get_named_query(NamedQueryId=query_id)["NamedQuery"]["QueryString"]
        for query_id in athena.list_named_queries(WorkGroup="primary")["NamedQueryIds"]
    }


def test_a_named_query_is_athenas_and_is_replaced(formation: Any, cloud: Cloud) -> None:
    first = deployment.get_outputs(cloud, NAME)
    assert queries(cloud) == {first["Query"]: "SELECT 1"}
    assert first["Security"].startswith("resources-Security-")

    formation.update_stack(StackName=NAME, TemplateBody=template("SELECT 2"))
    formation.get_waiter("stack_update_complete").wait(StackName=NAME, WaiterConfig={"Delay": 1})
    second = deployment.get_outputs(cloud, NAME)
    assert queries(cloud) == {second["Query"]: "SELECT 2"}
    assert second["Security"] == first["Security"]

    formation.update_stack(StackName=NAME, TemplateBody=template("SELECT 2", encrypts=True))
    formation.get_waiter("stack_update_complete").wait(StackName=NAME, WaiterConfig={"Delay": 1})
    third = deployment.get_outputs(cloud, NAME)
    assert third["Security"] != second["Security"]

    formation.delete_stack(StackName=NAME)
    formation.get_waiter("stack_delete_complete").wait(StackName=NAME, WaiterConfig={"Delay": 1})
    assert queries(cloud) == {}


def test_the_templates_questions_are_in_athena_word_for_word(stack: Stack) -> None:
    athena = stack.client("athena")
    ids = athena.list_named_queries(WorkGroup=stack.outputs["WorkgroupName"])["NamedQueryIds"]
    there = {
        query["Name"]: query["QueryString"]
        for query in athena.batch_get_named_query(NamedQueryIds=ids)["NamedQueries"]
    }
    assert there == {
        query["Name"]: query["QueryString"]
        for query in templates.resources("AWS::Athena::NamedQuery").values()
    }


def test_a_second_deployment_keeps_what_is_there(stack: Stack) -> None:
    assert deployment.deploy(stack.cloud) == stack.outputs


def test_it_is_built_again_when_its_sources_have_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project, built = tmp_path / "project", []
    source = project / "src" / "handlers" / "a.py"
    cached = source.parent / "__pycache__" / "a.pyc"
    cached.parent.mkdir(parents=True)
    template = project / "template.yaml"
    template.touch()
    monkeypatch.setattr(deployment, "PROJECT_ROOT", project)
    monkeypatch.setattr(deployment, "_sam", lambda *words: built.append(words[2]))
    folder = tmp_path / "build"
    folder.mkdir()
    for changed in (template, source, source, cached, project / "src" / "sql" / "b.sql"):
        changed.parent.mkdir(exist_ok=True)
        text = changed.read_text() if changed.exists() else ""
        changed.write_text(f"{text}x")
        deployment.build(folder)
        deployment.build(folder)
    assert built == 4 * ["build"]


def test_a_build_that_fails_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "template.yaml"
    broken.write_text("Resources: {A: {Type: 'AWS::Serverless::Function', Properties: {}}}")
    monkeypatch.setattr(deployment, "TEMPLATE", broken)
    with pytest.raises(deployment.DeploymentError, match="sam build failed"):
        deployment.build(tmp_path / "build")
    assert not (tmp_path / "build" / "content").exists()


def test_a_stack_that_fails_says_which_resource_and_why(cloud: Cloud) -> None:
    machine = {
        "Type": "AWS::StepFunctions::StateMachine",
        "Properties": {
            "RoleArn": "arn:aws:iam::000000000000:role/nobody",
            "DefinitionString": '{"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}',
        },
    }
    cloud.client("cloudformation").create_stack(
        StackName="failing", TemplateBody=json.dumps({"Resources": {"Machine": machine}})
    )
    assert wait_until(lambda: bool(deployment.get_failure_reasons(cloud, "failing")), 10)
    [reason] = deployment.get_failure_reasons(cloud, "failing")
    assert reason.startswith("Machine: ")
    assert "authorized to assume the provided role" in reason
