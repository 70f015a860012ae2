"""The results of checks, one line for each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from rich.console import Console
from rich.text import Text

from contract.text import escape_control_characters

_SUBJECT_WIDTH = 22


class Status(StrEnum):
    """The result of a check."""

    OK = "OK"
    WARNING = "WARNING"
    FAILED = "FAILED"


_STYLES = {Status.OK: "green", Status.WARNING: "yellow", Status.FAILED: "bold red"}


@dataclass(frozen=True)
class CheckResult:
    """The result of a check.

    Attributes:
        subject: What was checked, in a few words.
        status: The result.
        text: What was found and, unless the status is OK, what to do about it.
    """

    subject: str
    status: Status
    text: str


def ok(subject: str, text: str) -> CheckResult:
    """Return the result of a check that found no problem."""
    return CheckResult(subject, Status.OK, text)


def warn(subject: str, text: str) -> CheckResult:
    """Return the result of a check that found something which may become a problem."""
    return CheckResult(subject, Status.WARNING, text)


def fail(subject: str, text: str) -> CheckResult:
    """Return the result of a check that found a problem."""
    return CheckResult(subject, Status.FAILED, text)


def print_result(result: CheckResult, console: Console) -> None:
    """Print a result in one line. Names from the account cannot change the terminal."""
    line = Text(f"{result.status:9}", style=_STYLES[result.status])
    line.append(f"{result.subject:{_SUBJECT_WIDTH}} ", style="default")
    line.append(escape_control_characters(result.text), style="default")
    console.print(line, soft_wrap=True)


def has_failed(results: Iterable[CheckResult]) -> bool:
    """Return whether a check found a problem."""
    return any(result.status is Status.FAILED for result in results)
