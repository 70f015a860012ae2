"""The options that select the target of a command, and the exit codes of errors."""

from __future__ import annotations

import io
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError

from cli.exit_codes import (
    EXIT_INTERNAL_ERROR,
    EXIT_INVALID_INPUT,
    EXIT_NO_RESULTS,
    EXIT_TIMEOUT,
    NoResultsError,
    WaitTimeoutError,
    get_exit_code,
)
from cli.target import target as target_module
from cli.target.account import Account
from cli.target.confirmation import confirm
from cli.target.polling import parse_duration, poll
from cli.target.stack import Stack
from cli.target.target import Target
from local.cloud import CloudError
from local.errors import UserError
from tests.support.operator_stack import REGION, STACK, CommandLine, OperatorStack

AWS_OPTIONS = [["--stack", STACK], ["--profile", "p"], ["--region", REGION]]


@pytest.mark.usefixtures("stack")
def test_stderr_names_the_target(run: CommandLine) -> None:
    result = run.on_aws("runs")
    assert result.stderr == "run: using stack rental-kpi in account 123456789012 in eu-west-1\n"


@pytest.mark.usefixtures("stack")
@pytest.mark.parametrize("options", AWS_OPTIONS)
@pytest.mark.parametrize("command", ["runs", "show"])
def test_naming_a_cloud_and_a_stack_is_a_usage_error(
    run: CommandLine, command: str, options: list[str]
) -> None:
    result = run(command, "--cloud", "cloud", *options)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "use either --cloud, or --stack" in result.stderr


@pytest.mark.usefixtures("stack")
@pytest.mark.parametrize("options", AWS_OPTIONS[1:])
def test_profile_and_region_need_a_stack(run: CommandLine, options: list[str]) -> None:
    result = run("runs", *options)
    assert result.exit_code == 2
    assert "add --stack NAME" in result.stderr


@pytest.mark.usefixtures("stack")
def test_without_a_running_cloud_the_message_says_what_to_type(run: CommandLine) -> None:
    result = run("runs")
    assert result.exit_code == 2
    assert result.stderr == (
        "run: no local cloud is running: start one with ./run local up; for AWS, add --stack NAME\n"
    )


@pytest.mark.usefixtures("stack")
def test_unknown_stack_and_region_are_input_errors(
    run: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    unknown = run("runs", "--stack", "other", "--region", REGION)
    assert unknown.exit_code == 2
    assert "has no stack other: deploy it, or specify another name" in unknown.stderr
    without_region = run("runs", "--stack", STACK)
    assert without_region.exit_code == 2
    assert "no AWS region is configured: specify --region" in without_region.stderr
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    assert run("runs", "--stack", STACK).exit_code == 0
    without_profile = run("runs", "--stack", STACK, "--profile", "missing")
    assert without_profile.exit_code == 2
    assert "cannot use the AWS credentials of missing" in without_profile.stderr


def test_outputs_of_an_older_stack_are_reported(stack: OperatorStack) -> None:
    target = Target(stack.target.account, Stack(STACK, {}, {}))
    with pytest.raises(UserError, match="has no output BucketName: deploy this version"):
        _ = target.bucket


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UserError("x"), EXIT_INVALID_INPUT),
        (NoResultsError("x"), EXIT_NO_RESULTS),
        (WaitTimeoutError("x"), EXIT_TIMEOUT),
        (CloudError("x"), EXIT_INTERNAL_ERROR),
        (NoCredentialsError(), EXIT_INVALID_INPUT),
        (ClientError({"Error": {"Code": "ExpiredToken"}}, "Call"), EXIT_INVALID_INPUT),
        (ClientError({"Error": {"Code": "AccessDeniedException"}}, "Call"), EXIT_INVALID_INPUT),
        (ClientError({"Error": {"Code": "InternalError"}}, "Call"), EXIT_INTERNAL_ERROR),
        (EndpointConnectionError(endpoint_url="x"), EXIT_INTERNAL_ERROR),
        (ValueError("a defect"), None),
    ],
    ids=str,
)
def test_exit_code_of_an_error(error: Exception, code: int | None) -> None:
    assert get_exit_code(error) == code


@pytest.mark.parametrize(("code", "expected"), [("ExpiredToken", 2), ("InternalError", 1)])
@pytest.mark.usefixtures("stack")
def test_error_of_aws_is_printed_without_traceback(
    run: CommandLine, monkeypatch: pytest.MonkeyPatch, code: str, expected: int
) -> None:
    def fail(*_: Any) -> None:
        raise ClientError({"Error": {"Code": code, "Message": "no\x1b[31m"}}, "ListExecutions")

    monkeypatch.setattr("cli.operations.runs.read_publications", fail)
    result = run.on_aws("runs")
    assert (result.exit_code, result.stdout) == (expected, "")
    assert "Traceback" not in result.stderr
    assert "\x1b" not in result.stderr
    assert code in result.stderr


@pytest.mark.usefixtures("stack")
def test_interrupted_command_has_its_own_exit_code(
    run: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(target_module, "get_stack", interrupt)
    assert run.on_aws("runs").exit_code == 130


def _target(*, is_local: bool) -> Target:
    account = Account("account 1", REGION, "arn", is_local=is_local, create_client=lambda _: None)
    return Target(account, Stack(STACK, {}, {}))


@pytest.mark.parametrize("answer", ["y", "yes", "YES"])
def test_change_of_aws_goes_on_after_a_yes(run: CommandLine, answer: str) -> None:
    run.answer(answer)
    confirm(_target(is_local=False), "This stops a run", yes=False)


@pytest.mark.parametrize("answer", ["", "n", "no", "yess", "\x1b"])
def test_change_of_aws_is_canceled_by_any_other_answer(
    run: CommandLine, capsys: pytest.CaptureFixture[str], answer: str
) -> None:
    run.answer(answer)
    with pytest.raises(UserError, match="canceled: nothing was changed"):
        confirm(_target(is_local=False), "This stops a run", yes=False)
    output = capsys.readouterr()
    assert output.out == ""
    assert "This stops a run." in output.err


def test_change_of_aws_needs_yes_without_a_terminal(run: CommandLine) -> None:
    run.answer(None)
    with pytest.raises(UserError, match="add --yes to confirm it"):
        confirm(_target(is_local=False), "This stops a run", yes=False)
    confirm(_target(is_local=False), "This stops a run", yes=True)
    confirm(_target(is_local=True), "This stops a run", yes=False)


def test_aws_is_asked_at_most_every_five_seconds() -> None:
    assert _target(is_local=False).account.poll_seconds >= 5
    assert _target(is_local=True).account.poll_seconds < 1


def test_polling_ends_with_the_answer_or_after_the_time_limit() -> None:
    answers = iter([1, 2, 3])
    options: dict[str, Any] = {"seconds": 0, "timeout": 60, "description": "x"}
    assert poll(lambda: next(answers), lambda answer: answer == 3, **options) == 3
    with pytest.raises(WaitTimeoutError, match="the run did not start within 0:00:00"):
        poll(io.StringIO().read, bool, seconds=0, timeout=0, description="the run did not start")


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("30m", 1800), ("2h", 7200), ("7d", 604800)]
)
def test_duration(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "5", "h", "-1s", "1.5h", "1h30m", "1 h", "99999999d", "٣s"])
def test_invalid_duration(text: str) -> None:
    with pytest.raises(UserError, match="is not a duration: write 90s"):
        parse_duration(text)
