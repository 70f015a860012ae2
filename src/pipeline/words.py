"""Text of others, cut to what a mail can hold."""

from __future__ import annotations

_LONGEST = 1_000


def bounded(text: str, longest: int = _LONGEST) -> str:
    """The text in one line of at most so many characters."""
    line = " ".join(text.split())
    return line if len(line) <= longest else f"{line[: longest - 3]}..."
