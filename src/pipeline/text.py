"""Text of others, cut to what a mail can hold."""

from __future__ import annotations

_LONGEST = 1_000


def truncate(text: str) -> str:
    """The text in one line of at most 1,000 characters."""
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 3]}..."
