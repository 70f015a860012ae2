"""Text from other systems, such as error messages, limited to the size that an email can show."""

from __future__ import annotations

_MAX_LENGTH = 1_000


def truncate(text: str) -> str:
    """Return the text in one line of at most 1,000 characters."""
    line = " ".join(text.split())
    return line if len(line) <= _MAX_LENGTH else f"{line[: _MAX_LENGTH - 3]}..."
