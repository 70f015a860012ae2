"""Tables in plain text, for mails."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_LONGEST_CELL = 48


@dataclass(frozen=True)
class TableColumn:
    """A column's heading; numbers stand to the right."""

    heading: str
    is_number: bool = False


def text_table(columns: Sequence[TableColumn], rows: Sequence[Sequence[str]]) -> str:
    """The rows as aligned lines below their headings; headings that are all empty are left out."""
    headings = [column.heading for column in columns]
    lines = [[_cell(value) for value in row] for row in rows]
    if any(headings):
        lines.insert(0, headings)
    widths = [max((len(line[place]) for line in lines), default=0) for place in range(len(columns))]
    return "\n".join(
        "  ".join(
            value.rjust(width) if column.is_number else value.ljust(width)
            for value, width, column in zip(line, widths, columns, strict=True)
        ).rstrip()
        for line in lines
    )


def _cell(value: str) -> str:
    """One line of a length that a phone can show: names come from files and may be anything."""
    plain = " ".join(value.split())
    return plain if len(plain) <= _LONGEST_CELL else plain[: _LONGEST_CELL - 3] + "..."
