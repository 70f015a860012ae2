"""Batches in which each personal value contains a marker, so that it can be found anywhere."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Callable, Iterable, Iterator
from itertools import cycle, repeat
from pathlib import Path

from contract.datasets import DATASETS, LOCATIONS, USERS, VEHICLES, Dataset
from contract.file_check import HEAD_BYTES
from sample_data import write_sample

MARKER = "pii4711"
"""The text that each personal value contains, and nothing else. It has no capital letters."""

PERSONAL_COLUMNS = {
    USERS: ("first_name", "last_name", "email", "phone_number", "driver_license_number"),
    VEHICLES: (
        "vehicle_license_number",
        "registration_name",
        "permit_license_number",
        "base_telephone_number",
        "base_address",
    ),
    LOCATIONS: ("address",),
}

_PLAIN_PATTERNS = repeat("{}")
# Text that could be interpreted by a terminal, a log, a spreadsheet, a formatter, or a query.
_HOSTILE_PATTERNS = (
    "{}\x1b]0;title\x07\x1b[2J",
    "[bold]{}[/north]",
    '=HYPERLINK("https://example.org/{}")',
    "{}'; DROP TABLE users; --",
    "${{jndi:ldap://{}}}",
    "{{0}} %s %(message)s {}",
    "{}\nERROR forged line",
    "\u202e{}",
    "<script>{}</script>",
    '{{"{}": null}}',
    "https://example.org/?name={}&next=%0a",
    "{}\\",
    "{}" + "x" * 10_000,
)

Records = list[list[str]]
"""The records of a file, of which the first is the header."""


def create_marker(column: str, row: int) -> str:
    """Return the unique value of a personal column in a row, counted from 1."""
    value = f"{MARKER}-{column.replace('_', '-')}-{row}"
    return f"{value}@example.com" if column == "email" else value


def write_marked_batch(folder: Path, rentals: int, seed: int, rejected_percent: int = 2) -> None:
    """Write a batch in which some rows of each file are rejected, for all kinds of reasons.

    Args:
        folder: The folder of the four files.
        rentals: The number of rentals.
        seed: The seed of the sample data.
        rejected_percent: The share of rejected rows in percent.
    """
    write_sample(folder, rentals, seed=seed)
    for dataset in DATASETS:
        records = _read(folder / dataset.file)
        _mark(dataset, records)
        corruptions = cycle(_CORRUPTIONS)
        for record in records[1 :: 100 // rejected_percent]:
            next(corruptions)(dataset, record)
        (folder / dataset.file).write_text(_format(records), encoding="utf-8")


def write_hostile_batch(folder: Path, rentals: int, seed: int) -> None:
    """Write a batch of valid rows whose personal values could be interpreted as something else."""
    write_sample(folder, rentals, seed=seed)
    for dataset in PERSONAL_COLUMNS:
        records = _read(folder / dataset.file)
        _mark(dataset, records, cycle(_HOSTILE_PATTERNS))
        with (folder / dataset.file).open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows(records)


def write_batch_of_invalid_utf8(folder: Path, rentals: int, seed: int) -> None:
    """Write a batch whose users are not valid UTF-8 beyond the part that the file check reads."""
    write_marked_batch(folder, rentals, seed)
    users = folder / USERS.file
    rows = users.read_bytes().splitlines(keepends=True)
    content = rows[0] + b"".join(rows[1:]) * (HEAD_BYTES // users.stat().st_size + 2)
    last = rows[1].replace(MARKER.encode(), MARKER.encode() + "é".encode("latin-1"), 1)
    users.write_bytes(content + last)


def write_batch_with_row_in_header(folder: Path, rentals: int, seed: int) -> None:
    """Write a batch in which the header of the users has no line break."""
    write_marked_batch(folder, rentals, seed)
    users = folder / USERS.file
    users.write_bytes(users.read_bytes().replace(b"\n", b",", 1))


def create_invalid_files(users: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield invalid versions of the file of users, each with the name of what is wrong with it."""
    header, _, rows = users.partition(b"\n")
    text = users.decode()
    # A row twice, so that personal values are repeated.
    row = rows.partition(b"\n")[0]
    yield "no-header", rows
    yield "only-header-in-quotes", b'"' + users
    yield "semicolons", users.replace(b",", b";")
    yield "spaces", rows.replace(b",", b" ")
    yield "missing-column", header.replace(b"email", b"mail") + b"\n" + rows
    yield "duplicate-column", header.replace(b"email", b"first_name") + b"\n" + rows
    yield "header-after-row", row + b"\n" + users
    yield "cr-line-ends", users.replace(b"\n", b"\r")
    yield "latin-1", (text.replace(MARKER, f"{MARKER}é", 1)).encode("latin-1")
    yield "utf-16", text.encode("utf-16")
    yield "gzip", gzip.compress(users)
    yield "json", b'{"users": "' + rows.replace(b"\n", b" ") + b'"}'
    yield "html", b"<html><body>" + rows + b"</body></html>"
    yield "null-byte", rows.replace(b"-", b"\x00", 1)
    yield "one-line", b" ".join([header, row, row])
    yield "header-and-row-in-one-line", b",".join([header, row, row]) + b"\n" + rows
    twice = b",".join([row.split(b",")[1]] * 2)
    yield "row-ends-on-later-line", b",".join([header, twice, b'"\n"']) + b"\n" + rows
    yield "column-name-in-row", twice + b",email\n" + rows


def _read(file: Path) -> Records:
    with file.open(encoding="utf-8", newline="") as lines:
        return list(csv.reader(lines))


def _format(records: Records) -> str:
    """Return the records as CSV. Quotes are not doubled, so that one in a field breaks its row."""
    return "".join(",".join(map(_quote, record)) + "\n" for record in records)


def _quote(field: str) -> str:
    return f'"{field}"' if "," in field else field


def _mark(dataset: Dataset, records: Records, patterns: Iterable[str] = _PLAIN_PATTERNS) -> None:
    for column in PERSONAL_COLUMNS.get(dataset, ()):
        index = records[0].index(column)
        for row, (record, pattern) in enumerate(zip(records[1:], patterns, strict=False), start=1):
            record[index] = pattern.format(create_marker(column, row))


def _add_field(dataset: Dataset, record: list[str]) -> None:
    record.append(f"{MARKER}-extra-{dataset.name}")


def _break_quotes(dataset: Dataset, record: list[str]) -> None:
    record[0] = f'{record[0]}"{MARKER}-quote-{dataset.name}'


def _remove_key(dataset: Dataset, record: list[str]) -> None:
    record[dataset.column_names.index(dataset.key)] = ""


def _shift_fields(_: Dataset, record: list[str]) -> None:
    """Let personal values stand in columns of other types, such as dates and amounts."""
    record.insert(0, record.pop())


def _write_text_into_last_column(dataset: Dataset, record: list[str]) -> None:
    record[-1] = f"{MARKER}-last-{dataset.name}"


_CORRUPTIONS: tuple[Callable[[Dataset, list[str]], None], ...] = (
    _add_field,
    _break_quotes,
    _remove_key,
    _shift_fields,
    _write_text_into_last_column,
)
