"""Fixtures for the commands that work on a stack."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.operator_stack import CommandLine, OperatorStack, operator_stack


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[OperatorStack]:
    """A stack on AWS without runs, and no local cloud."""
    with operator_stack(monkeypatch, tmp_path / "local") as stack:
        yield stack


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    """Runs commands."""
    return CommandLine(capsys, monkeypatch)
