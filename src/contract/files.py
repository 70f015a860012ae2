"""Whether a file can be read at all, told from its first bytes (data contract, section 1)."""

from __future__ import annotations

import codecs
import csv
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
    ("{", "JSON"),
    ("[", "JSON"),
)
_OTHER_DELIMITERS = {";": "semicolon", "\t": "tab", "|": "pipe", ":": "colon"}


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
    if len(lines) == 1 and "\r" in lines[0].rstrip("\r"):
        problems.append("lines end in CR alone; save it with LF or CRLF line ends")
        lines = lines[0].split("\r")
    at = next((n for n, line in enumerate(lines) if line.strip(" \t\r")), 0)
    names = [name.strip(" \t").lower() for name in _fields(lines[at].rstrip("\r"), ",")]
    problems += _header_problems(dataset, names, lines[at])
    if whole and not any(line.strip(" \t\r") for line in lines[at + 1 :]):
        problems.append("no data row below the header")
    extra = [name for name in names if name not in dataset.column_names]
    warnings = (f"unexpected column {_quoted(extra)} is ignored",) if extra else ()
    if problems:
        return FileCheck(None, tuple(problems), warnings)
    positions = tuple(names.index(name) for name in dataset.column_names)
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
    if len(missing) == len(dataset.columns):
        problems.append("the first line names none of the expected columns")
    if missing:
        problems.append(f"missing column {_quoted(missing)}")
    twice = sorted({name for name in names if name and names.count(name) > 1})
    if twice:
        problems.append(f"column named twice: {_quoted(twice)}")
    return problems


def _likely_delimiter(dataset: Dataset, line: str) -> str | None:
    """The separator, other than the comma, that turns the line into expected column names."""

    def known(delimiter: str) -> int:
        names = {name.strip(" \t\r").lower() for name in _fields(line, delimiter)}
        return len(names & set(dataset.column_names))

    best = max(_OTHER_DELIMITERS, key=known)
    return _OTHER_DELIMITERS[best] if known(best) > max(known(","), 1) else None


def _fields(line: str, delimiter: str) -> list[str]:
    return next(csv.reader([line], delimiter=delimiter), [])


def _quoted(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
