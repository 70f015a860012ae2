"""The file check: validation of an input file by its first bytes."""

from __future__ import annotations

import codecs
import csv
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from contract.datasets import Dataset
from contract.text import escape_control_characters

HEAD_BYTES = 1024 * 1024
"""The maximum number of bytes at the start of a file that the file check reads."""
_EMPTY = "the file is empty; upload it with a header and rows"
_BLANK_HEAD = "the first 1 MiB of the file is blank; remove the blank lines above the header"
_STRAY_CR = (
    "the header line contains a CR that no LF follows; save the file with LF or CRLF line endings"
)
_LONG_HEADER = "the header line is longer than 1 MiB; put only the column names in the first line"

_FORMATS_BY_SIGNATURE = (
    (b"\x1f\x8b", "gzip-compressed"),
    (b"PK\x03\x04", "a zip archive or an Excel workbook"),
    (b"PAR1", "a Parquet file"),
    (b"ORC", "an ORC file"),
    (b"Obj\x01", "an Avro file"),
    (b"%PDF", "a PDF"),
    (b"BZh", "bzip2-compressed"),
    (b"\x28\xb5\x2f\xfd", "zstd-compressed"),
    (b"\xff\xfe", "UTF-16 text"),
    (b"\xfe\xff", "UTF-16 text"),
)
_FORMATS_BY_FIRST_TEXT = (
    ("<!doctype html", "an HTML page"),
    ("<html", "an HTML page"),
    ("<?xml", "XML"),
    ("<", "HTML or XML"),
    ("{", "JSON"),
    ("[", "JSON"),
)
_MAX_NAME_LENGTH = 60
# A delimiter is one of the most frequent symbols of its header. To try every symbol of a line with
# thousands of them would take hours.
_MAX_DELIMITER_CANDIDATES = 8
_QUOTED_FIELD = re.compile(r'(?:(?<=,)|\A)"[^"]*(?:""[^"]*)*"(?=,|\Z)')
_DELIMITER_NAMES = {";": "semicolon", "\t": "tab", "|": "pipe", ":": "colon", " ": "space"}


@dataclass(frozen=True)
class Header:
    """A valid header line.

    Attributes:
        positions: For each column of the dataset, in the order of the contract, the position of
            its field in a row.
        width: The number of fields in the header.
        line: The number of the header's line, counted from 0.
    """

    positions: tuple[int, ...]
    width: int
    line: int


@dataclass(frozen=True)
class FileCheck:
    """The result of a file check.

    Attributes:
        header: The header; `None` if the file has problems.
        problems: The reasons to reject the file.
        warnings: The unexpected properties that are no reason to reject the file.
    """

    header: Header | None
    problems: tuple[str, ...]
    warnings: tuple[str, ...] = ()

    def message(self, file: str) -> str:
        """Return one line that lists all problems of the file with the given name."""
        return f"{file}: " + "; ".join(self.problems)


def check_head(dataset: Dataset, head: bytes, is_complete: bool) -> FileCheck:
    """Check a file by its first bytes.

    Args:
        dataset: The dataset that the file should contain.
        head: The first bytes of the file, at most `HEAD_BYTES`.
        is_complete: Whether `head` is the complete file.
    """
    if not head.strip(b"\xef\xbb\xbf \t\r\n"):
        return _rejected(_EMPTY if is_complete else _BLANK_HEAD)
    other_format = _detect_other_format(head)
    if other_format:
        return _rejected(
            f"the file is {other_format}, not CSV; save it as plain CSV and upload it again"
        )
    problems = _encoding_problems(head, is_complete)
    lines = head.decode("utf-8-sig", errors="replace").split("\n")
    header_line = next((n for n, line in enumerate(lines) if not _is_blank(line)), len(lines) - 1)
    line = lines[header_line].removesuffix("\r")
    header = line.strip("\r").partition("\r")[0]
    if "\r" in line:
        problems.append(_STRAY_CR)
    elif not is_complete and header_line == len(lines) - 1:
        problems.append(_LONG_HEADER)
    elif is_complete and all(map(_is_blank, lines[header_line + 1 :])):
        problems.append("the file has no data rows below the header; add at least one row")
    names = [name.strip(" \t").lower() for name in _split(header, ",")]
    problems += _header_problems(dataset, names, header)
    if problems:
        return FileCheck(None, tuple(problems))
    positions = tuple(names.index(name) for name in dataset.column_names)
    unexpected = [name for name in names if name not in dataset.column_names]
    return FileCheck(
        Header(positions, len(names), header_line),
        (),
        _unexpected_column_warnings(unexpected, _may_contain_row(dataset, names, header)),
    )


def _is_blank(line: str) -> bool:
    return not line.removesuffix("\r").strip(" \t")


def _rejected(problem: str) -> FileCheck:
    return FileCheck(None, (problem,))


def _detect_other_format(head: bytes) -> str | None:
    """Return what the file is if it cannot be CSV, otherwise `None`."""
    for signature, description in _FORMATS_BY_SIGNATURE:
        if head.startswith(signature):
            return description
    first_text = head[:200].decode("utf-8-sig", errors="replace").lstrip().lower()
    for prefix, description in _FORMATS_BY_FIRST_TEXT:
        if first_text.startswith(prefix):
            return description
    return "binary data" if b"\x00" in head else None


def _encoding_problems(head: bytes, is_complete: bool) -> list[str]:
    try:
        # The end of an incomplete head may split a character, which is not a problem of the file.
        codecs.getincrementaldecoder("utf-8")().decode(head, final=is_complete)
    except UnicodeDecodeError as error:
        line = head.count(b"\n", 0, error.start) + 1
        position = f"line {line}, byte {error.start + 1} of the file"
        return [f"the file is not valid UTF-8 ({position}); save it as UTF-8"]
    return []


def _header_problems(dataset: Dataset, names: list[str], header: str) -> list[str]:
    missing = [name for name in dataset.column_names if name not in names]
    if len(missing) > 1:
        delimiter = _detect_other_delimiter(dataset, header)
        if delimiter:
            return [f"wrong delimiter ({delimiter}); separate the fields with commas"]
    problems = []
    if header.count('"') % 2:
        problems.append("a quote in the header is not closed on the same line; close or remove it")
    elif '"' in _QUOTED_FIELD.sub("", header):
        problems.append(
            "a quote in the header is inside a name; remove it, or quote complete names"
        )
    if len(missing) == len(dataset.columns):
        # The line may be a row of data instead of a header, so the message must not quote it.
        return [
            *problems,
            "the first line contains none of the expected column names; add the header line",
        ]
    if missing:
        pronoun = "it" if len(missing) == 1 else "them"
        problems.append(f"missing {_columns(missing)}; add {pronoun}")
    duplicates = sorted(name for name, count in Counter(names).items() if name and count > 1)
    shown = duplicates
    if _may_contain_row(dataset, names, header):
        shown = [name for name in duplicates if name in dataset.column_names]
    if shown:
        problems.append(f"duplicate {_columns(shown)}; give each column a unique name")
    if len(shown) < len(duplicates):
        problems.append(
            "the first line repeats unexpected names, which may be values of a row; make sure that"
            " it is a header and ends with a line break"
        )
    return problems


def _may_contain_row(dataset: Dataset, names: Sequence[str], header: str) -> bool:
    """Return whether the header may be or contain a row of data.

    The values of a row can be personal data, so no message may quote them.
    """
    unexpected = sum(name not in dataset.column_names for name in names)
    found = len(set(names) & set(dataset.column_names))
    return (
        # A line break is missing. The last column name and the first value can be one name.
        unexpected >= len(dataset.columns) - 1
        # The row ends on a later line, because a quoted field contains a line break.
        or header.count('"') % 2 == 1
        # The header is missing, and a value of the first row is the name of a column.
        or 2 * found < len(dataset.columns)
    )


def _detect_other_delimiter(dataset: Dataset, header: str) -> str | None:
    """Return the delimiter other than a comma that yields expected column names, if any."""

    def count_expected_names(delimiter: str) -> int:
        names = {name.strip(" \t").lower() for name in _split(header, delimiter)}
        return len(names & set(dataset.column_names))

    counts = Counter(header)
    symbols = [symbol for symbol in counts if not (symbol.isalnum() or symbol in ',"_')]
    symbols.sort(key=lambda symbol: (-counts[symbol], symbol))
    best = max(symbols[:_MAX_DELIMITER_CANDIDATES], key=count_expected_names, default=",")
    if count_expected_names(best) <= max(count_expected_names(","), 1):
        return None
    return _DELIMITER_NAMES.get(best, f"`{escape_control_characters(best)}`")


def _unexpected_column_warnings(names: list[str], may_contain_row: bool) -> tuple[str, ...]:
    if not names:
        return ()
    if may_contain_row:
        hint = "if the header contains a row of data, add the missing line break"
        return (f"{len(names):,} unexpected columns are ignored; {hint}",)
    return (f"unexpected {_columns(names)} {'is' if len(names) == 1 else 'are'} ignored",)


def _split(line: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:  # A field is longer than the limit of `csv`, so the line is not a header.
        return line.split(delimiter)


def _columns(names: Sequence[str]) -> str:
    """Return `column` or `columns` and the names, truncated so that the message stays readable."""
    shown = [f"`{_shorten(name)}`" if name else "(unnamed)" for name in names]
    return f"{'column' if len(names) == 1 else 'columns'} {', '.join(shown)}"


def _shorten(name: str) -> str:
    shown = escape_control_characters(name[:_MAX_NAME_LENGTH])
    return shown if len(name) <= _MAX_NAME_LENGTH else f"{shown}…"
