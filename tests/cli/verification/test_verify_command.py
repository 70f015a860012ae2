"""The options of `./run verify`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import boto3
import pytest
from moto import mock_aws
from typer.testing import CliRunner

from cli.__main__ import app
from cli.target import local_clouds
from cli.target.account import Account
from cli.target.stack import Stack
from cli.verification import verifier
from local.errors import UserError
from tests.support.console import create_console, get_output

TEMPLATE = """
Parameters:
  PrimaryInstanceType: {Type: String, Default: m7g.xlarge}
  WorkerInstanceType: {Type: String, Default: m7g.xlarge}
Resources:
  Topic: {Type: "AWS::SNS::Topic"}
"""


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    """An account with a stack, no local cloud, and a record of the verified stacks."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    for name in ("AWS_PROFILE", "AWS_DEFAULT_REGION", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(local_clouds, "LOCAL_FOLDER", tmp_path)
    monkeypatch.setattr(local_clouds, "CLOUD_FOLDER", tmp_path / "cloud")
    verified: list[tuple[str, str]] = []

    def record(account: Account, stack: Stack, _: Any, *, keep: bool) -> int:
        verified.append((account.description, stack.name))
        return int(keep)

    monkeypatch.setattr(verifier, "verify", record)
    with mock_aws():
        boto3.client("cloudformation", "eu-west-1").create_stack(
            StackName="kpis", TemplateBody=TEMPLATE
        )
        yield verified


def run(*arguments: str, **options: Any) -> Any:
    return CliRunner().invoke(app, ["verify", *arguments], **options)


def test_cost_is_stated_and_confirmed_before_the_start(aws: Any) -> None:
    result = run("--stack", "kpis", "--region", "eu-west-1")
    assert isinstance(result.exception, UserError)
    assert str(result.exception) == (
        "this command costs money: add --yes to start it without a terminal"
    )
    text = " ".join(result.output.split())
    assert "starts a run on the stack kpis in account 123456789012 in eu-west-1" in text
    assert "about 0.14 USD" in text
    assert aws == []


def test_confirmed_verification_starts(aws: Any) -> None:
    result = run("--stack", "kpis", "--region", "eu-west-1", "--yes")
    assert result.exit_code == 0, result.exception
    assert aws == [("account 123456789012 in eu-west-1", "kpis")]


def test_interrupted_verification_says_how_to_remove_its_files(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = Mock(bucket="data", batch="verification/1/", run_id="verification-1-x")
    monkeypatch.setattr(verifier, "check_free_slot", Mock())
    monkeypatch.setattr(verifier, "start_run", Mock(return_value=run))
    monkeypatch.setattr(verifier, "watch", Mock(side_effect=KeyboardInterrupt))
    console = create_console()
    with pytest.raises(KeyboardInterrupt):
        verifier.verify(Mock(), Mock(), console, keep=False)
    assert "repeat the command with --remove verification-1-x" in get_output(console)


@pytest.mark.usefixtures("aws")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], r"no local cloud is running: .*; to use an AWS account, add --stack or --profile"),
        (["--cloud", "demo"], r"local cloud 'demo' is not running"),
        (["--cloud", "demo", "--stack", "kpis"], "use either --cloud, or --profile"),
        (["--stack", "kpis"], "no AWS region is configured: specify --region"),
        (["--profile", "none"], r"cannot use the AWS credentials of none: .*could not be found"),
        (
            ["--stack", "other", "--region", "eu-west-1"],
            "account 123456789012 in eu-west-1 has no stack other: deploy it",
        ),
    ],
)
def test_unusable_options_are_explained(arguments: list[str], message: str) -> None:
    result = run(*arguments)
    assert isinstance(result.exception, UserError), result.output
    assert re.match(message, str(result.exception))
