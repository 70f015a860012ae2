"""Tests of the build and the deployment of templates to a local cloud."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from local import deployment
from local.cloud import Cloud
from tests.local.support.stack import Stack
from tests.support.waiting import wait_until


def test_second_deployment_changes_nothing(stack: Stack) -> None:
    assert deployment.deploy(stack.cloud) == stack.outputs


def test_build_runs_only_when_sources_have_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project, commands = tmp_path / "project", []
    source = project / "src" / "handlers" / "a.py"
    cached = source.parent / "__pycache__" / "a.pyc"
    cached.parent.mkdir(parents=True)
    template = project / "template.yaml"
    template.touch()
    monkeypatch.setattr(deployment, "PROJECT_ROOT", project)
    monkeypatch.setattr(deployment, "_sam", lambda *arguments: commands.append(arguments[2]))
    folder = tmp_path / "build"
    folder.mkdir()
    for changed in (template, source, source, cached, project / "src" / "sql" / "b.sql"):
        changed.parent.mkdir(exist_ok=True)
        text = changed.read_text() if changed.exists() else ""
        changed.write_text(f"{text}x")
        deployment.build(folder)
        deployment.build(folder)
    assert commands == 4 * ["build"]


def test_failed_build_raises_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    invalid = tmp_path / "template.yaml"
    invalid.write_text("Resources: {A: {Type: 'AWS::Serverless::Function', Properties: {}}}")
    monkeypatch.setattr(deployment, "TEMPLATE", invalid)
    with pytest.raises(deployment.DeploymentError, match="sam build failed"):
        deployment.build(tmp_path / "build")
    assert not (tmp_path / "build" / "content").exists()


def test_failure_reasons_name_resource_and_cause(cloud: Cloud) -> None:
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
