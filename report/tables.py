"""Tables of a report: their cells as text, ready to show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

_BAR_UNITS = 100


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        title: Title of the column.
        is_number: Whether its cells are numbers, which are aligned to the right.
        is_minor: Whether a phone leaves it out.
    """

    title: str
    is_number: bool = False
    is_minor: bool = False


@dataclass(frozen=True)
class Cell:
    """A cell of a table.

    Attributes:
        text: What it shows.
        detail: What a phone shows below the text, in place of a column that it leaves out.
        sort_key: The value by which its column is sorted, if not by its text.
    """

    text: str
    detail: str = ""
    sort_key: str = ""


@dataclass(frozen=True)
class DataTable:
    """A table of a report.

    Attributes:
        title: What the table shows.
        columns: The columns.
        rows: The rows. The first cell of each is its header.
        bars: For each row, the length of its bar from 0 to 100. Empty for a table without bars.
        has_total: Whether the last row is a total.
    """

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    bars: tuple[str, ...] = ()
    has_total: bool = False


def build_table(
    title: str,
    columns: Sequence[Column],
    rows: Sequence[Sequence[str | Cell]],
    *,
    bars: Sequence[Decimal | int] = (),
    has_total: bool = False,
) -> DataTable:
    """Return a table.

    Args:
        title: What the table shows.
        columns: The columns.
        rows: The cells of each row, or their texts.
        bars: For each row, the number that its bar shows.
        has_total: Whether the last row is a total.
    """
    cells = tuple(
        tuple(cell if isinstance(cell, Cell) else Cell(cell) for cell in row) for row in rows
    )
    longest = max((abs(Decimal(value)) for value in bars), default=Decimal(0))
    lengths = tuple(_scale(value, longest) for value in bars) if longest else ()
    return DataTable(title, tuple(columns), cells, lengths, has_total)


def _scale(value: Decimal | int, longest: Decimal) -> str:
    length = _BAR_UNITS * abs(Decimal(value)) / longest
    return str(length.quantize(Decimal("0.1"), ROUND_HALF_UP))
