"""The emails in `docs/emails.md`, from the files that the tests compare the emails with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

_EMAILS = Path(__file__).resolve().parents[2] / "tests" / "emails"


def list_email_sections() -> Mapping[str, Callable[[], str]]:
    """Return a section of the page for each email, by the name of its file."""
    return {file.stem: partial(_show_email, file) for file in sorted(_EMAILS.glob("*.txt"))}


def _show_email(file: Path) -> str:
    return f"```text\n{file.read_text(encoding='utf-8').rstrip()}\n```"
