"""Harmless variations: other ways to write a file, and values that look odd and are not."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import Random

from contract.datasets import Dataset
from contract.field_formats import TextFormat

Variation = Callable[[list[str], Random], None]
"""Changes a row's fields in place."""

PADDING = ("", " ", "\t", "  ", " \t")
LINE_BREAKS = ("\n", "\r\n", "\n\n")
NAMES = ("José", "Zoë", "Łukasz", "Nguyễn Văn", "Ñandú & Söhne", "O’Brien", "李小龙", "Żółw 🚗")
EXTRA_COLUMN = "remark"
EXTRA_VALUE = "ignored, whatever it says"


@dataclass(frozen=True)
class Layout:
    """How a file is written, apart from its rows' values.

    `order` says which column each field of a record holds; the number behind the last column is
    that of an extra column, which nobody expects.
    """

    header: tuple[str, ...]
    order: tuple[int, ...]
    line_end: str = "\n"
    start: str = ""

    def arranged(self, row: Sequence[str]) -> list[str]:
        """A row's values in the file's order of columns."""
        values = (*row, EXTRA_VALUE)
        return [values[at] for at in self.order]


def plain_layout(dataset: Dataset) -> Layout:
    """As the real files are."""
    return Layout(dataset.column_names, tuple(range(len(dataset.columns))))


def odd_layout(dataset: Dataset, rng: Random) -> Layout:
    """Some of: byte-order mark, CRLF, columns in another order, odd names, an extra column."""
    names = [*dataset.column_names, EXTRA_COLUMN]
    order = list(range(len(dataset.columns) + rng.randrange(2)))
    if rng.random() < 0.5:
        rng.shuffle(order)
    header = [names[at] for at in order]
    if rng.random() < 0.5:
        header = [_odd_name(name, rng) for name in header]
    line_end = rng.choice(("\n", "\r\n"))
    start = rng.choice(("", "\ufeff")) + rng.choice(("", line_end))
    return Layout(tuple(header), tuple(order), line_end, start)


def quoted(value: str) -> str:
    """The value in quotes."""
    return '"' + value.replace('"', '""') + '"'


def written(value: str) -> str:
    """The value as a field of a record, in quotes where it needs them."""
    return quoted(value) if "," in value or '"' in value or "\n" in value else value


def variations(dataset: Dataset) -> list[Variation]:
    """The ways to vary a row's values so that it still breaks no rule."""
    every: list[Variation] = [_pad_one, _pad_all]
    for at, column in enumerate(dataset.columns):
        if isinstance(column.kind, TextFormat) and column.kind.case:
            every.append(_at(at, str.upper if column.kind.case == "lower" else str.lower))
        if dataset.multiline and column.name.endswith(("name", "address", "city")):
            every += _of_free_text(at)
    return every


def _odd_name(name: str, rng: Random) -> str:
    return rng.choice((name, name.upper(), f" {name}\t", quoted(name), quoted(f" {name.title()} ")))


def _pad_one(fields: list[str], rng: Random) -> None:
    at = rng.randrange(len(fields))
    fields[at] = rng.choice(PADDING) + fields[at] + rng.choice(PADDING)


def _pad_all(fields: list[str], rng: Random) -> None:
    before, after = rng.choice(PADDING), rng.choice(PADDING)
    fields[:] = [before + field + after for field in fields]


def _at(at: int, convert: Callable[[str], str]) -> Variation:
    def change(fields: list[str], _: Random) -> None:
        fields[at] = convert(fields[at])

    return change


def _of_free_text(at: int) -> Iterator[Variation]:
    def other_letters(fields: list[str], rng: Random) -> None:
        fields[at] = rng.choice(NAMES)

    def quotes_inside(fields: list[str], _: Random) -> None:
        fields[at] = f'{fields[at]} "{fields[at]}", {fields[at]}'

    def several_lines(fields: list[str], rng: Random) -> None:
        fields[at] = f"{fields[at]}{rng.choice(LINE_BREAKS)}{fields[at]}"

    yield from (other_letters, quotes_inside, several_lines)
