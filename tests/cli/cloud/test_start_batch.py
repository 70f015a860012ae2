"""`./run start`: which batch it names, what it says about each outcome, and the exit code."""

from __future__ import annotations

import io
import json
from typing import Any, get_args

import pytest
from typer.testing import CliRunner

from cli.__main__ import app
from cli.cloud import start_batch as start_batch_module
from cli.cloud.invoke import DeployedFunction
from cli.runs.batch_names import parse_batch
from cli.target import local_clouds
from local.errors import UserError
from pipeline.intake.claiming import ClaimOutcome


class Lambda:
    """A Lambda client whose function returns one result.

    Attributes:
        requests: The arguments of each call of Invoke.
    """

    def __init__(self, result: dict[str, Any], **fields: str) -> None:
        self._result = result
        self._fields = fields
        self.requests: list[dict[str, Any]] = []

    def client(self, service: str) -> Lambda:
        assert service == "lambda"
        return self

    def invoke(self, **arguments: Any) -> dict[str, Any]:
        self.requests.append(arguments)
        return {"Payload": io.BytesIO(json.dumps(self._result).encode()), **self._fields}


def _run(monkeypatch: pytest.MonkeyPatch, cloud: Lambda, batch: str = "2026-11") -> Any:
    """Run the command for a cloud with two functions, and return its result."""
    functions = [
        DeployedFunction(f"{name}Function", {"FunctionName": name, "Handler": f"handlers.{name}.x"})
        for name in ("check_run", "watchdog")
    ]
    monkeypatch.setattr(
        local_clouds, "get_running_cloud", lambda name: cloud if name == "a" else None
    )
    monkeypatch.setattr(start_batch_module, "list_deployed_functions", lambda _: functions)
    return CliRunner().invoke(app, ["start", batch, "--cloud", "a"])


@pytest.mark.parametrize(
    ("text", "prefix"),
    [
        ("2026-11", "raw/2026-11/"),
        ("raw/2026-11/", "raw/2026-11/"),
        ("raw/2026-11", "raw/2026-11/"),
        ("raw/", "raw/"),
        ("Zürich 1+2", "raw/Zürich 1+2/"),
    ],
)
def test_batch_is_given_by_name_or_prefix(text: str, prefix: str) -> None:
    assert parse_batch(text) == prefix


@pytest.mark.parametrize("text", ["", "/", "a/b", "raw/a/b/", "raw//", "a\nb"])
def test_invalid_batch_is_rejected_before_anything_is_invoked(text: str) -> None:
    with pytest.raises(UserError, match="is not a batch: specify its name"):
        parse_batch(text)


def test_command_sends_the_event_of_the_email(monkeypatch: pytest.MonkeyPatch) -> None:
    cloud = Lambda({"outcome": "Claimed"})
    result = _run(monkeypatch, cloud)
    assert result.exit_code == 0, result.output
    assert result.output.startswith("Batch raw/2026-11/ is claimed. Its run starts now, or when")
    [request] = cloud.requests
    assert request["FunctionName"] == "watchdog"
    assert json.loads(request["Payload"]) == {
        "detail-type": "Start Batch",
        "detail": {"batch": "raw/2026-11/"},
    }


def test_incomplete_batch_is_for_the_user_to_complete(monkeypatch: pytest.MonkeyPatch) -> None:
    result = _run(monkeypatch, Lambda({"outcome": "Incomplete"}))
    assert isinstance(result.exception, UserError)  # Exit code 2.
    assert str(result.exception).startswith(
        "batch raw/2026-11/ is incomplete: upload the missing or rejected files, and run this"
    )


def test_changed_batch_is_to_be_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    result = _run(monkeypatch, Lambda({"outcome": "Outdated"}))
    assert result.exit_code == 1
    assert "have just changed, so no run has started: run this command again" in str(
        result.exception
    )


def test_error_of_the_function_is_shown_without_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    error = {"errorType": "RetryableError", "errorMessage": "S3 is busy"}
    result = _run(monkeypatch, Lambda(error, FunctionError="Unhandled"))
    assert result.exit_code == 1
    assert str(result.exception) == "the watchdog failed with RetryableError: S3 is busy"


def test_every_outcome_has_a_message() -> None:
    """A request ignores how far the uploads are apart, so it never leads to `Held`."""
    assert set(get_args(ClaimOutcome)) == {"Incomplete", "Outdated", "Claimed", "Held"}


@pytest.mark.usefixtures("local_folder")
def test_command_needs_a_running_cloud() -> None:
    result = CliRunner().invoke(app, ["start", "2026-11"])
    assert isinstance(result.exception, UserError)
    assert str(result.exception).startswith("no local cloud is running")
