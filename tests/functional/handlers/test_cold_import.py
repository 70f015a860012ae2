"""Tests of what the import of a function loads and creates, because each cold start repeats it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import boto3
import pytest

from pipeline.aws.clients import AwsClients

SOURCE = Path(__file__).resolve().parents[3] / "src"
FUNCTIONS = sorted(
    path.stem
    for path in (SOURCE / "handlers").glob("*.py")
    if "\ndef handler(" in path.read_text("utf-8")
)
# Each costs more than a tenth of the import of a function, or is of use only to a few.
COSTLY_MODULES = {
    "asyncio",
    "aws_lambda_powertools.event_handler",
    "aws_lambda_powertools.utilities.data_classes",
    "aws_lambda_powertools.utilities.parser",
    "pydantic",
    "pyspark",
    "typed_settings",
}
NEEDED = {
    # Parses the requests of CloudFormation, which are sent only while the stack is deployed.
    "install_scripts": {"aws_lambda_powertools.utilities.data_classes"},
}
LIST_MODULES = """
import json, sys
import handlers.{}
print(json.dumps(sorted(sys.modules)))
"""


@pytest.mark.parametrize("function", FUNCTIONS)
def test_function_imports_no_costly_modules(function: str) -> None:
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("AWS_")
    } | {"PYTHONPATH": str(SOURCE)}
    result = subprocess.run(
        [sys.executable, "-c", LIST_MODULES.format(function)],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    modules = set(json.loads(result.stdout))
    assert "aws_lambda_powertools.logging" in modules
    assert modules & COSTLY_MODULES == NEEDED.get(function, set())


@pytest.fixture
def created_clients(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Record the services for which boto3 is asked for a client."""
    services: list[str] = []
    monkeypatch.setattr(boto3, "client", lambda service, **_: services.append(service))
    return services


def test_clients_are_created_at_the_start_of_a_lambda_function(
    monkeypatch: pytest.MonkeyPatch, created_clients: list[str]
) -> None:
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "check_run")
    clients = AwsClients("sns", "athena")
    assert created_clients == ["sns", "athena"]
    assert clients.sns is clients.sns
    assert created_clients == ["sns", "athena"]


def test_clients_are_created_when_they_are_used_elsewhere(
    monkeypatch: pytest.MonkeyPatch, created_clients: list[str]
) -> None:
    monkeypatch.delenv("AWS_LAMBDA_FUNCTION_NAME", raising=False)
    clients = AwsClients("sns", "athena")
    assert created_clients == []
    assert clients.sns is clients.sns
    assert created_clients == ["sns"]
