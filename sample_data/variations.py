"""Harmless variations: other valid file layouts, and unusual but valid values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import Random

from contract.datasets import Dataset
from contract.field_formats import TextFormat

Variation = Callable[[list[str], Random], None]
"""Changes the fields of a row in place."""

PADDING = ("", " ", "\t", "  ", " \t")
LINE_BREAKS = ("\n", "\r\n", "\n\n")
NAMES = ("José", "Zoë", "Łukasz", "Nguyễn Văn", "Ñandú & Söhne", "O’Brien", "李小龙", "Żółw 🚗")
EXTRA_COLUMN = "remark"
EXTRA_VALUE = "ignored, whatever it says"


@dataclass(frozen=True)
class Layout:
    """The format of a file, apart from the values of its rows.

    Attributes:
        header: Column names as the file writes them.
        order: Index of the column that each field of a record contains. The index after the last
            column of the dataset stands for an unexpected extra column.
        line_end: Line terminator.
        start: Text before the header, such as a byte-order mark.
    """

    header: tuple[str, ...]
    order: tuple[int, ...]
    line_end: str = "\n"
    start: str = ""

    def arrange(self, row: Sequence[str]) -> list[str]:
        """Return the values of a row in the column order of the file."""
        values = (*row, EXTRA_VALUE)
        return [values[index] for index in self.order]


def default_layout(dataset: Dataset) -> Layout:
    """Return the layout of the real files."""
    return Layout(dataset.column_names, tuple(range(len(dataset.columns))))


def random_layout(dataset: Dataset, rng: Random) -> Layout:
    """Return a valid layout with a random selection of unusual features.

    The features are a byte-order mark, CRLF line endings, reordered columns, column names in other
    spellings, and an extra column.
    """
    names = [*dataset.column_names, EXTRA_COLUMN]
    order = list(range(len(dataset.columns) + rng.randrange(2)))
    if rng.random() < 0.5:
        rng.shuffle(order)
    header = [names[index] for index in order]
    if rng.random() < 0.5:
        header = [_vary_column_name(name, rng) for name in header]
    line_end = rng.choice(("\n", "\r\n"))
    start = rng.choice(("", "\ufeff")) + rng.choice(("", line_end))
    return Layout(tuple(header), tuple(order), line_end, start)


def quote(value: str) -> str:
    """Return the value as a quoted CSV field."""
    return '"' + value.replace('"', '""') + '"'


def quote_if_needed(value: str) -> str:
    """Return the value as a CSV field, quoted only if it contains special characters."""
    return quote(value) if "," in value or '"' in value or "\n" in value else value


def list_variations(dataset: Dataset) -> list[Variation]:
    """Return the ways to vary the values of a row so that it still breaks no rule."""
    variations: list[Variation] = [_pad_one_field, _pad_all_fields]
    for index, column in enumerate(dataset.columns):
        if isinstance(column.format, TextFormat) and column.format.case:
            convert = str.upper if column.format.case == "lower" else str.lower
            variations.append(_convert_field(index, convert))
        if dataset.multiline and column.name.endswith(("name", "address", "city")):
            variations += _list_free_text_variations(index)
    return variations


def _vary_column_name(name: str, rng: Random) -> str:
    return rng.choice((name, name.upper(), f" {name}\t", quote(name), quote(f" {name.title()} ")))


def _pad_one_field(fields: list[str], rng: Random) -> None:
    index = rng.randrange(len(fields))
    fields[index] = rng.choice(PADDING) + fields[index] + rng.choice(PADDING)


def _pad_all_fields(fields: list[str], rng: Random) -> None:
    before, after = rng.choice(PADDING), rng.choice(PADDING)
    fields[:] = [before + field + after for field in fields]


def _convert_field(index: int, convert: Callable[[str], str]) -> Variation:
    def change(fields: list[str], _: Random) -> None:
        fields[index] = convert(fields[index])

    return change


def _list_free_text_variations(index: int) -> Iterator[Variation]:
    def replace_by_unicode_name(fields: list[str], rng: Random) -> None:
        fields[index] = rng.choice(NAMES)

    def add_quotes(fields: list[str], _: Random) -> None:
        fields[index] = f'{fields[index]} "{fields[index]}", {fields[index]}'

    def add_line_break(fields: list[str], rng: Random) -> None:
        fields[index] = f"{fields[index]}{rng.choice(LINE_BREAKS)}{fields[index]}"

    yield from (replace_by_unicode_name, add_quotes, add_line_break)
