"""The layout of emails: short lines for phones, and text of others that cannot imitate ours.

Mail programs on phones show about 44 characters in a line, in proportional type, so there are no
tables. Text that others wrote, such as the name of a folder or the message of a job, is either
shortened to a part of one line, or quoted: each of its lines begins with `> `.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable

from contract.text import escape_control_characters

LINE_LENGTH = 44
EFFECT = "What it means for the numbers"
NEXT_STEPS = "What to do now"
_QUOTE = "> "
_INDENTATION = "  "
_ELLIPSIS = "..."
_MAX_QUOTED_LINES = 24


def fold(text: str) -> str:
    """Return text of ours in lines of at most 44 characters, with its own line breaks kept."""
    return "\n".join(_fold_line(line) for line in text.splitlines())


def _fold_line(line: str) -> str:
    return textwrap.fill(
        line, LINE_LENGTH, break_long_words=False, break_on_hyphens=False, drop_whitespace=True
    )


def section(title: str, *paragraphs: str) -> str:
    """Return paragraphs below a title, with empty ones left out.

    Args:
        title: A title of ours.
        *paragraphs: Text whose lines are short enough.
    """
    return "\n".join([title, *(paragraph for paragraph in paragraphs if paragraph)])


def build_body(*sections: str) -> str:
    """Return the body of an email: its sections, with empty ones left out."""
    return "\n\n".join(part for part in sections if part) + "\n"


def join_folded(first: str, second: str) -> str:
    """Return two parts of a statement in one line if they fit, and otherwise each in its own."""
    line = f"{first} {second}"
    return line if len(line) <= LINE_LENGTH else f"{fold(first)}\n{fold(second)}"


def quote(text: str, max_lines: int = _MAX_QUOTED_LINES) -> str:
    """Return text of others as quoted lines, without control characters.

    Args:
        text: The text, from any source.
        max_lines: Maximum number of lines. What exceeds them is replaced by an ellipsis.
    """
    lines = textwrap.wrap(
        _to_line(text),
        LINE_LENGTH - len(_QUOTE),
        max_lines=max_lines,
        placeholder=f" {_ELLIPSIS}",
        break_on_hyphens=False,
    )
    return "\n".join(f"{_QUOTE}{line}" for line in lines or [_ELLIPSIS])


def quote_lines(texts: Iterable[str], max_lines: int = _MAX_QUOTED_LINES) -> str:
    """Return several texts of others as quoted lines, each of them in a new line."""
    return "\n".join(quote(text, max_lines) for text in texts)


def shorten(text: str, length: int = LINE_LENGTH) -> str:
    """Return text of others as part of a line: without control characters, and not too long.

    The end is kept, because keys and names often differ only there.

    Args:
        text: The text, from any source.
        length: Maximum number of characters.
    """
    line = _to_line(text)
    if len(line) <= length:
        return line
    kept = length - len(_ELLIPSIS)
    return f"{line[: kept - kept // 2]}{_ELLIPSIS}{line[-(kept // 2) :]}"


def list_values(value: str, *names: str) -> str:
    """Return a number of ours and names of others, as a list item.

    The names continue in an indented line if one line is too short.
    """
    line = f"{value} {', '.join(_to_line(name) for name in names)}"
    if len(line) <= LINE_LENGTH:
        return line
    first, *others = names
    comma = "," if others else ""
    lines = [f"{value} {shorten(first, LINE_LENGTH - len(value) - 1 - len(comma))}{comma}"]
    if others:
        rest = ", ".join(_to_line(name) for name in others)
        lines.append(f"{_INDENTATION}{shorten(rest, LINE_LENGTH - len(_INDENTATION))}")
    return "\n".join(lines)


def _to_line(text: str) -> str:
    return " ".join(escape_control_characters(text).split())
