"""Text from other systems, such as error messages, made fit for one line of an email."""

from __future__ import annotations

from contract.text import escape_control_characters

_MAX_LENGTH = 1_000


def truncate(text: str) -> str:
    """Return the text in one line of at most 1,000 characters, without control characters."""
    line = escape_control_characters(" ".join(text.split()))
    return line if len(line) <= _MAX_LENGTH else f"{line[: _MAX_LENGTH - 3]}..."
