"""Text of Markdown tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table without a final line break."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def code(strings: Iterable[str]) -> str:
    """Return strings as inline code, separated by commas."""
    return ", ".join(f"`{string}`" for string in strings)
