"""Whether a file can be read at all, told from its first bytes (data contract, section 1)."""

from __future__ import annotations

import codecs
import csv
from collections import Counter
from dataclasses import dataclass

from contract.datasets import Dataset

HEAD_BYTES = 1024 * 1024
"""How much of a file's beginning is looked at."""

_NOT_CSV = (
    (b"\x1f\x8b", "gzip-compressed"),
    (b"PK\x03\x04", "a zip archive or an Excel workbook"),
    (b"PAR1", "Parquet"),
    (b"ORC", "ORC"),
    (b"Obj\x01", "Avro"),
    (b"%PDF", "a PDF"),
    (b"BZh", "bzip2-compressed"),
    (b"\x28\xb5\x2f\xfd", "zstd-compressed"),
    (b"\xff\xfe", "UTF-16 text"),
    (b"\xfe\xff", "UTF-16 text"),
)
_NOT_CSV_TEXT = (
    ("<!doctype html", "an HTML page"),
    ("<html", "an HTML page"),
    ("<?xml", "XML"),
    ("<", "HTML or XML"),
    ("{", "JSON"),
    ("[", "JSON"),
)
_MOST_NAMES = 15
_LONGEST_NAME = 60
_DELIMITER_NAMES = {";": "semicolon", "\t": "tab", "|": "pipe", ":": "colon", " ": "space"}


@dataclass(frozen=True)
class Header:
    """A usable header line.

    `positions` says, for each of the dataset's columns in the contract's order, which field of a
    row holds it; `width` is the number of fields; `line` the header's own line, counted from 0.
    """

    positions: tuple[int, ...]
    width: int
    line: int


@dataclass(frozen=True)
class FileCheck:
    """What the beginning of a file says: a header, or the problems that make the file unusable."""

    header: Header | None
    problems: tuple[str, ...]
    warnings: tuple[str, ...] = ()

    def message(self, file: str) -> str:
        """All problems in one line."""
        return f"{file}: " + "; ".join(self.problems)


def check_head(dataset: Dataset, head: bytes, whole: bool) -> FileCheck:
    """Judge a file by its first bytes.

    `head` is at most `HEAD_BYTES` long; `whole` says that nothing follows it.
    """
    if not head.strip(b"\xef\xbb\xbf \t\r\n"):
        return _refused("the file is empty; drop the file with its header and rows")
    form = _other_form(head)
    if form:
        return _refused(f"not CSV but {form}; save it as plain CSV and drop it again")
    problems = _encoding_problems(head, whole)
    lines = head.decode("utf-8-sig", errors="replace").split("\n")
    at = next((n for n, line in enumerate(lines) if line.strip(" \t\r")), 0)
    line, *cut_by_cr = lines[at].rstrip("\r").lstrip("\r").split("\r")
    if cut_by_cr:
        problems.append("lines end in CR alone; save it with LF or CRLF line ends")
    elif whole and not any(line.strip(" \t\r") for line in lines[at + 1 :]):
        problems.append("no data row below the header")
    names = [name.strip(" \t").lower() for name in _fields(line, ",")]
    problems += _header_problems(dataset, names, line)
    if problems:
        return FileCheck(None, tuple(problems))
    positions = tuple(names.index(name) for name in dataset.column_names)
    extra = [name for name in names if name not in dataset.column_names]
    warnings = (f"unexpected column {_quoted(extra)} is ignored",) if extra else ()
    return FileCheck(Header(positions, len(names), at), (), warnings)


def _refused(problem: str) -> FileCheck:
    return FileCheck(None, (problem,))


def _other_form(head: bytes) -> str | None:
    """What the bytes are if they cannot be CSV."""
    for signature, form in _NOT_CSV:
        if head.startswith(signature):
            return form
    start = head[:200].decode("utf-8-sig", errors="replace").lstrip().lower()
    for prefix, form in _NOT_CSV_TEXT:
        if start.startswith(prefix):
            return form
    return "binary data" if b"\x00" in head else None


def _encoding_problems(head: bytes, whole: bool) -> list[str]:
    try:
        # A character that the end of the head cuts in two is no problem of the file.
        codecs.getincrementaldecoder("utf-8")().decode(head, final=whole)
    except UnicodeDecodeError as error:
        line = head.count(b"\n", 0, error.start) + 1
        return [f"not UTF-8 (line {line}, byte {error.start + 1}); save it as UTF-8"]
    return []


def _header_problems(dataset: Dataset, names: list[str], line: str) -> list[str]:
    missing = [name for name in dataset.column_names if name not in names]
    if len(missing) > 1:
        delimiter = _likely_delimiter(dataset, line)
        if delimiter:
            return [f"wrong delimiter: {delimiter} instead of comma"]
    problems = []
    if line.count('"') % 2:
        problems.append("a quote in the header is not closed on its line")
    if len(missing) == len(dataset.columns):
        # No header at all, perhaps, but somebody's data: none of it is repeated.
        return [*problems, "the first line names none of the expected columns"]
    if missing:
        problems.append(f"missing column {_quoted(missing)}")
    twice = sorted(name for name, times in Counter(names).items() if name and times > 1)
    if twice:
        problems.append(f"column named twice: {_quoted(twice)}")
    return problems


def _likely_delimiter(dataset: Dataset, line: str) -> str | None:
    """The separator, other than the comma, that turns the line into expected column names."""

    def known(delimiter: str) -> int:
        names = {name.strip(" \t").lower() for name in _fields(line, delimiter)}
        return len(names & set(dataset.column_names))

    separators = sorted({letter for letter in line if not letter.isalnum()} - set(',"_'))
    best = max(separators, key=known, default=",")
    if known(best) <= max(known(","), 1):
        return None
    return _DELIMITER_NAMES.get(best, f"`{best}`")


def _fields(line: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:  # a field longer than any name: the line is no header in any case
        return line.split(delimiter)


def _quoted(names: list[str]) -> str:
    """The names for a message, which has to stay a message whatever the header holds."""
    told = [f"`{_cut(name)}`" if name else "without a name" for name in names[:_MOST_NAMES]]
    more = len(names) - len(told)
    return ", ".join(told) + (f" and {more:,} more" if more else "")


def _cut(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}…"
