"""`./run start`: which batch it names, what it says about each outcome, and the exit code."""

from __future__ import annotations

import io
import json
from typing import Any, get_args

import pytest

from cli.runs.batch_names import parse_batch
from local.errors import UserError
from pipeline.intake.claiming import ClaimOutcome
from pipeline.intake.upload_emails import build_start_event
from tests.support.operator_stack import CommandLine, OperatorStack, Result


class Lambda:
    """A Lambda client whose function returns one result.

    Attributes:
        requests: The arguments of each call of Invoke.
    """

    def __init__(self, result: dict[str, Any], **fields: str) -> None:
        self._result = result
        self._fields = fields
        self.requests: list[dict[str, Any]] = []

    def invoke(self, **arguments: Any) -> dict[str, Any]:
        self.requests.append(arguments)
        return {"Payload": io.BytesIO(json.dumps(self._result).encode()), **self._fields}


def _start(stack: OperatorStack, run: CommandLine, function: Lambda) -> Result:
    stack.fakes["lambda"] = function
    return run.on_aws("start", "2026-11", "--yes")


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
def test_batch_is_named_by_its_name_or_its_prefix(text: str, prefix: str) -> None:
    assert parse_batch(text) == prefix


@pytest.mark.parametrize("text", ["", "a/b", "raw/a/b/", "a\n", "a\u202eb", "/", "raw//"])
def test_other_texts_are_no_batches(text: str) -> None:
    with pytest.raises(UserError, match="is not a batch: specify its name"):
        parse_batch(text)


def test_watchdog_is_invoked_with_the_batch(stack: OperatorStack, run: CommandLine) -> None:
    function = Lambda({"outcome": "Claimed"})
    result = _start(stack, run, function)
    assert result.exit_code == 0
    assert "Batch raw/2026-11/ is claimed." in result.stdout
    [request] = function.requests
    assert request["FunctionName"] == "rental-kpi-watchdog"
    assert json.loads(request["Payload"]) == build_start_event("raw/2026-11/")


def test_incomplete_batch_is_for_the_user_to_complete(
    stack: OperatorStack, run: CommandLine
) -> None:
    result = _start(stack, run, Lambda({"outcome": "Incomplete"}))
    assert result.exit_code == 2
    assert "batch raw/2026-11/ is incomplete: upload the missing" in result.stderr


def test_changed_batch_is_to_be_started_again(stack: OperatorStack, run: CommandLine) -> None:
    result = _start(stack, run, Lambda({"outcome": "Outdated"}))
    assert result.exit_code == 1
    assert "have just changed, so no run has started: run this command again" in result.stderr


def test_error_of_the_function_is_shown_without_traceback(
    stack: OperatorStack, run: CommandLine
) -> None:
    error = {"errorType": "RetryableError", "errorMessage": "S3 is busy"}
    result = _start(stack, run, Lambda(error, FunctionError="Unhandled"))
    assert result.exit_code == 1
    assert "run: the watchdog failed with RetryableError: S3 is busy\n" in result.stderr


def test_every_outcome_has_a_message() -> None:
    """A request ignores how far the uploads are apart, so it never leads to `Held`."""
    assert set(get_args(ClaimOutcome)) == {"Incomplete", "Outdated", "Claimed", "Held"}


def test_nothing_is_started_without_a_confirmation(stack: OperatorStack, run: CommandLine) -> None:
    function = stack.fakes["lambda"] = Lambda({"outcome": "Claimed"})
    run.answer(None)
    assert run.on_aws("start", "2026-11").exit_code == 2
    run.answer("no")
    assert run.on_aws("start", "2026-11").exit_code == 2
    assert function.requests == []
    run.answer("y")
    assert run.on_aws("start", "2026-11").exit_code == 0
    assert len(function.requests) == 1
