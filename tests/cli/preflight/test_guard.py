"""Checks that cannot be made, and the exit code of `./run preflight`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from typer.testing import CliRunner

from cli.__main__ import app
from cli.check_results import CheckResult, Status, fail, ok, print_result, warn
from cli.preflight import preflight
from cli.preflight.guard import run_check
from cli.target import account as accounts
from local.errors import UserError
from tests.support.accounts import Denied, StubbedAccount, describe_results
from tests.support.console import create_console, get_output

NO_STACK = Denied("ValidationError", "Stack with id kpis does not exist")


def run(error: Exception) -> list[tuple[str, str]]:
    """Return the results of a check that fails after its first result."""

    def check() -> Iterator[CheckResult]:
        yield ok("quota", "fine")
        raise error

    return describe_results(run_check("quota", check))


@pytest.mark.parametrize(
    ("code", "message", "action"),
    [
        (
            "AccessDeniedException",
            "User: x is not authorized to perform: servicequotas:GetServiceQuota because",
            "servicequotas:GetServiceQuota",
        ),
        ("UnauthorizedOperation", "You are not authorized to perform this operation.", "GetX"),
    ],
)
def test_denied_check_names_the_permission(code: str, message: str, action: str) -> None:
    error = ClientError({"Error": {"Code": code, "Message": message}}, "GetX")
    assert run(error)[1] == ("WARNING", f"could not be checked: needs permission {action}")


def test_service_that_does_not_respond_is_a_warning() -> None:
    error = EndpointConnectionError(endpoint_url="https://example.com")
    [_, (status, text)] = run(error)
    assert status == "WARNING"
    assert text.startswith("could not be checked: Could not connect")


def test_other_error_of_a_service_is_a_warning() -> None:
    error = ClientError({"Error": {"Code": "Throttling", "Message": "slow down"}}, "GetX")
    assert run(error)[1][0] == "WARNING"


def test_expired_credentials_end_the_command() -> None:
    error = ClientError({"Error": {"Code": "ExpiredToken", "Message": "expired"}}, "GetX")
    with pytest.raises(UserError, match="the AWS credentials are not valid or have expired"):
        run(error)


def test_result_is_one_line_without_control_characters() -> None:
    console = create_console(width=40)
    print_result(CheckResult("subnet", Status.OK, "a\nb\x1b[31m [red]c[/red]"), console)
    assert get_output(console) == (
        "OK       subnet                 a\\nb\\u001b[31m [red]c[/red]\n"
    )


@pytest.mark.parametrize(
    ("results", "exit_code"),
    [
        ([ok("a", "x")], 0),
        ([ok("a", "x"), warn("b", "y")], 0),
        ([fail("a", "x"), ok("b", "y")], 2),
    ],
)
def test_exit_code_shows_whether_something_failed(
    results: list[CheckResult], exit_code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub = StubbedAccount()
    stub.respond("cloudformation", "describe_stacks", NO_STACK)
    monkeypatch.setattr(accounts, "open_account", lambda *_, **__: stub.account)
    monkeypatch.setattr(preflight, "check_deployment", lambda *_: iter(results))
    result = invoke("--stack", "kpis", "--subnet", "subnet-1")
    assert result.exit_code == exit_code, result.output
    assert result.output.count("\n") == 1 + len(results)


def test_stack_that_cannot_be_read_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    stub = StubbedAccount()
    stub.respond("cloudformation", "describe_stacks", Denied("AccessDenied", "not allowed"))
    monkeypatch.setattr(accounts, "open_account", lambda *_, **__: stub.account)
    monkeypatch.setattr(preflight, "check_deployment", lambda *_: iter([ok("a", "x")]))
    result = invoke("--stack", "kpis", "--subnet", "subnet-1")
    assert result.exit_code == 0
    assert "WARNING  stack                  cannot read the stack kpis" in result.output


def invoke(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["preflight", *arguments])
