"""The command `./run scale`."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from cli.__main__ import app
from cli.console import PlainConsole
from cli.scale import command
from local.errors import UserError


@pytest.fixture(autouse=True, params=[80, 200])
def terminal(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """A narrow and a wide terminal."""
    width: int = request.param
    monkeypatch.setattr(command, "console", PlainConsole(width=width))
    return width


def _run(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["scale", *arguments])
    assert result.exit_code == 0, result.output
    return result.output


def test_tables_fit_theterminal(terminal: int) -> None:
    output = _run("--rentals", "1000000000", "--batches", "10000")
    assert max(len(line) for line in output.splitlines()) <= terminal


def test_tables_are_those_of_the_numbers() -> None:
    output = _run("--rentals", "1000000000", "--max-workers", "45")
    assert "1,000,000,000" in output
    assert "23 + 22" in output
    assert "timeout of pin_inputs" in output
    assert "`" not in output
    assert "…" not in output


def test_daily_tables_follow_the_batches() -> None:
    output = _run("--batches", "10000", "--rentals", "100000", "--hours", "8")
    assert "8 hours" in output
    assert "10 days" in output
    assert "Slots that the batches of a day need" in output


def test_unknown_instance_type_is_explained() -> None:
    result = CliRunner().invoke(app, ["scale", "--instance-type", "m5.large"])
    assert isinstance(result.exception, UserError)
    assert "'m5.large' is not known here: use one of m7g.xlarge, m7g.2xlarge" in str(
        result.exception
    )


@pytest.mark.parametrize("option", ["--rentals", "--batches", "--hours", "--max-workers"])
def test_zero_is_refused(option: str) -> None:
    assert CliRunner().invoke(app, ["scale", option, "0"]).exit_code == 2
