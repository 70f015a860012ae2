"""Tables in plain text, for emails."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from contract.text import escape_control_characters

_MAX_CELL_LENGTH = 48


@dataclass(frozen=True)
class TableColumn:
    """The heading of a column, and whether its values are numbers, which are right-aligned."""

    heading: str
    is_number: bool = False


def format_table(columns: Sequence[TableColumn], rows: Sequence[Sequence[str]]) -> str:
    """Return a table as aligned lines of text.

    Args:
        columns: The columns. The line of headings is omitted if all headings are empty.
        rows: The values of each row, in the order of the columns.
    """
    headings = [column.heading for column in columns]
    lines = [[_format_cell(value) for value in row] for row in rows]
    if any(headings):
        lines.insert(0, headings)
    widths = [max((len(line[index]) for line in lines), default=0) for index in range(len(columns))]
    return "\n".join(
        "  ".join(
            value.rjust(width) if column.is_number else value.ljust(width)
            for value, width, column in zip(line, widths, columns, strict=True)
        ).rstrip()
        for line in lines
    )


def _format_cell(value: str) -> str:
    """Return a value in one line that fits a phone: names in the input can be any text."""
    line = escape_control_characters(" ".join(value.split()))
    return line if len(line) <= _MAX_CELL_LENGTH else line[: _MAX_CELL_LENGTH - 3] + "..."
