"""Tests of the file check: which files it rejects, and with which messages."""

from __future__ import annotations

import gzip

import pytest

from contract import file_check
from contract.datasets import LOCATIONS, RENTALS, USERS
from contract.file_check import HEAD_BYTES, check_head
from contract.text import escape_control_characters, has_control_characters

NAMES = ",".join(LOCATIONS.column_names)
ROW = "1,Bean LLC,51144 Patrick Isle,Fontana,CA,92188,-74.4558925,-42.279882"
VALID = f"{NAMES}\n{ROW}\n".encode()

NO_DATA_ROWS = "the file has no data rows below the header; add at least one row"
NO_HEADER = "the first line contains none of the expected column names; add the header line"
LONG_HEADER = "the header line is longer than 1 MiB; put only the column names in the first line"
STRAY_CR = (
    "the header line contains a CR that no LF follows; save the file with LF or CRLF line endings"
)

REJECTED = {
    b"": "the file is empty; upload it with a header and rows",
    b"\xef\xbb\xbf \r\n\t\n": "the file is empty; upload it with a header and rows",
    NAMES.encode(): NO_DATA_ROWS,
    f"{NAMES}\n \t\r\n\r\n".encode(): NO_DATA_ROWS,
    VALID.replace(b",city", b""): "missing column `city`; add it",
    VALID.replace(b",city", b"").replace(b"zip_code", b"zip"): (
        "missing columns `city`, `zip_code`; add them"
    ),
    VALID.replace(b"state", b" CITY "): "duplicate column `city`; give each column a unique name",
    VALID.replace(b",", b";"): "wrong delimiter (semicolon); separate the fields with commas",
    VALID.replace(b",", b"\t"): "wrong delimiter (tab); separate the fields with commas",
    VALID.replace(b",", b"|"): "wrong delimiter (pipe); separate the fields with commas",
    VALID.replace(b"\n", b"\r"): STRAY_CR,
    VALID.replace(b"\n", b"\r") + b"\n": STRAY_CR,
    VALID.replace(b"city", b"city\r"): STRAY_CR,
    VALID.replace(b"\n", b"\r\r\n"): STRAY_CR,
    VALID.replace(b"\n", b"\n\r").replace(b"location_id", b"\n\rlocation_id"): STRAY_CR,
    VALID.replace(b",city", b',ci"t"y'): "a quote in the header is inside a name; remove it",
    VALID.replace(b",city", b', "city"'): "a quote in the header is inside a name; remove it",
    VALID.replace(b",city", b',"city"x'): "a quote in the header is inside a name; remove it",
    b"a" * 200_000 + b"\n1\n": NO_HEADER,
    VALID.replace(b",", b"^"): "wrong delimiter (`^`); separate the fields with commas",
    VALID.replace(b",city", b',"city\n"'): "a quote in the header is not closed on the same line",
    b"<HEAD><TITLE>Sign in</TITLE>": "the file is HTML or XML, not CSV",
    b"hello\nworld\n": NO_HEADER,
    f"{ROW}\n{ROW}\n".encode(): NO_HEADER,
    VALID + "2,Café,a,b,CA,12345,0,0\n".encode("latin-1"): "is not valid UTF-8 (line 3, byte ",
    VALID.decode().encode("utf-16"): "the file is UTF-16 text, not CSV",
    gzip.compress(VALID, mtime=0): "the file is gzip-compressed, not CSV",
    b"PAR1\x15\x04": "the file is a Parquet file, not CSV",
    b"PK\x03\x04\x14": "the file is a zip archive or an Excel workbook, not CSV",
    b"\n <!DOCTYPE html><html>Access denied</html>": "the file is an HTML page, not CSV",
    b"<?xml version='1.0'?><Error/>": "the file is XML, not CSV",
    b'[{"location_id": 1}]': "the file is JSON, not CSV",
    b"a\x00b": "the file is binary data, not CSV",
}


@pytest.mark.parametrize(("head", "problem"), REJECTED.items(), ids=lambda value: str(value)[:50])
def test_rejected_file_has_a_one_line_message(head: bytes, problem: str) -> None:
    check = check_head(LOCATIONS, head, is_complete=True)
    assert check.header is None
    assert problem in check.message(LOCATIONS.file)
    assert check.message(LOCATIONS.file).startswith("locations.csv: ")
    assert "\n" not in check.message(LOCATIONS.file)


def test_message_lists_every_problem() -> None:
    head = VALID.replace(b"state", b"city").replace(b"Bean", b"B\xe9an").split(b"\n")[0]
    problems = check_head(LOCATIONS, head + b"\n\xe9\n", is_complete=True).problems
    assert [problem.split(" (")[0] for problem in problems] == [
        "the file is not valid UTF-8",
        "missing column `state`; add it",
        "duplicate column `city`; give each column a unique name",
    ]


@pytest.mark.parametrize(
    "head",
    [
        VALID,
        b"\xef\xbb\xbf" + VALID,
        b"\r\n \n" + VALID.replace(b"\n", b"\r\n"),
        VALID.replace(b"city", b'" City\t"'),
    ],
    ids=["plain", "byte-order mark", "blank lines and CRLF", "quoted and padded names"],
)
def test_accepted_file_has_no_problems(head: bytes) -> None:
    check = check_head(LOCATIONS, head, is_complete=True)
    assert check.problems == ()
    assert check.header is not None
    assert check.header.positions == tuple(range(8))


def test_columns_may_be_reordered_and_unexpected_columns_are_ignored() -> None:
    names = ["extra", *reversed(RENTALS.column_names)]
    check = check_head(RENTALS, (",".join(names) + "\nx\n").encode(), is_complete=True)
    assert check.header is not None
    assert check.header.positions == tuple(range(8, 0, -1))
    assert check.header.width == 9
    assert check.warnings == ("unexpected column `extra` is ignored",)
    check = check_head(LOCATIONS, VALID.replace(b"\n", b",\n"), is_complete=True)
    assert check.warnings == ("unexpected column (unnamed) is ignored",)


def test_character_split_by_the_end_of_the_head_is_valid() -> None:
    head = ",".join(USERS.column_names).encode() + b"\n\xc3"
    assert check_head(USERS, head, is_complete=False).problems == ()
    assert "not valid UTF-8" in check_head(USERS, head, is_complete=True).problems[0]
    assert HEAD_BYTES == 1024 * 1024


@pytest.mark.parametrize(
    ("head", "problems"),
    [
        (f"{NAMES},{'x' * HEAD_BYTES}".encode(), [LONG_HEADER]),
        (f"{NAMES},x,".encode() + b"," * HEAD_BYTES, [LONG_HEADER]),
        (b"\n" + NAMES.encode() + b" " * HEAD_BYTES, [LONG_HEADER]),
        (b"x;" * HEAD_BYTES, [LONG_HEADER, NO_HEADER]),
        (
            NAMES.replace(",", ";").encode() + b";" * HEAD_BYTES,
            [LONG_HEADER, "wrong delimiter (semicolon); separate the fields with commas"],
        ),
        (VALID.replace(b"\n", b"\r") + b"1\r" * HEAD_BYTES, [STRAY_CR]),
        (
            b"\n" * HEAD_BYTES,
            ["the first 1 MiB of the file is blank; remove the blank lines above the header"],
        ),
    ],
    ids=lambda value: str(value)[:50],
)
def test_header_that_does_not_end_within_the_head_is_rejected(
    head: bytes, problems: list[str]
) -> None:
    assert list(check_head(LOCATIONS, head[:HEAD_BYTES], is_complete=False).problems) == problems


def test_header_that_ends_with_the_head_is_accepted() -> None:
    padding = b" " * (HEAD_BYTES - len(NAMES) - 1)
    head = NAMES.encode() + padding + b"\n"
    assert len(head) == HEAD_BYTES
    assert check_head(LOCATIONS, head, is_complete=False).problems == ()


def test_number_of_tried_delimiters_does_not_grow_with_the_symbols(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tried = []

    def split(line: str, delimiter: str) -> list[str]:
        tried.append(delimiter)
        return line.split(delimiter)

    monkeypatch.setattr(file_check, "_split", split)
    symbols = "".join(chr(code) for code in range(0x2190, 0x2BFF))
    for text in (symbols, symbols * 100):
        tried.clear()
        assert NO_HEADER in check_head(LOCATIONS, f"{text}\nx\n".encode(), True).problems
        assert len(tried) < 20


def test_delimiter_is_found_among_other_symbols() -> None:
    header = "^".join(f"{name} (#{number})" for number, name in enumerate("abcdefgh"))
    header = "^".join([header, *LOCATIONS.column_names])
    problems = check_head(LOCATIONS, f"{header}\nx\n".encode(), True).problems
    assert problems == ("wrong delimiter (`^`); separate the fields with commas",)


@pytest.mark.parametrize("name", ["a\x1b[31m", "\u202ecsv.exe", "a\x7f", "a\u2028b", "a\x85"])
def test_messages_contain_no_control_characters(name: str) -> None:
    extra = VALID.replace(b"\n", f",{name}\n".encode(), 1)
    twice = VALID.replace(b"\n", f",{name},{name}\n".encode(), 1)
    [warning] = check_head(LOCATIONS, extra, is_complete=True).warnings
    message = check_head(LOCATIONS, twice, is_complete=True).message(LOCATIONS.file)
    delimiter = check_head(LOCATIONS, VALID.replace(b",", name[-1].encode()), is_complete=True)
    for text in (warning, message, *delimiter.problems):
        assert not has_control_characters(text)
    assert escape_control_characters(name) in warning
    assert escape_control_characters(name) in message


def test_message_about_long_names_is_short() -> None:
    names = ",".join(f"column {number} {'x' * 10_000}" for number in range(3))
    extra = VALID.replace(b"\n", f",{names}\n".encode(), 1)
    [warning] = check_head(LOCATIONS, extra, is_complete=True).warnings
    assert warning.count("`column") == 3
    assert len(warning) < 500
    twice = VALID.replace(b"\n", f",{names},{names}\n".encode(), 1)
    message = check_head(LOCATIONS, twice, is_complete=True).message(LOCATIONS.file)
    assert message.count("`column") == 3
    assert len(message) < 500


def test_message_about_a_wide_header_is_short() -> None:
    names = ",".join(f"column {number}" for number in range(3000))
    extra = VALID.replace(b"\n", f",{names}\n".encode(), 1)
    [warning] = check_head(LOCATIONS, extra, is_complete=True).warnings
    assert warning.startswith("3,000 unexpected columns are ignored; ")
    twice = VALID.replace(b"\n", f",{names},{names}\n".encode(), 1)
    assert len(check_head(LOCATIONS, twice, is_complete=True).message(LOCATIONS.file)) < 500


@pytest.mark.parametrize("separator", [" ", ",", "\t,"])
@pytest.mark.parametrize("rows", [f"{ROW}\n{ROW}", f"{ROW},{ROW}\n{ROW}", ROW, f"{ROW},{ROW}"])
def test_no_message_quotes_a_row_that_follows_the_header_in_its_line(
    separator: str, rows: str
) -> None:
    """The values of a row can be personal data."""
    head = f"{NAMES}{separator}{rows}\n".encode()
    check = check_head(LOCATIONS, head, is_complete=True)
    assert check.problems or check.warnings
    text = " ".join([*check.problems, *check.warnings]).lower()
    assert [value for value in ROW.lower().split(",") if value in text and len(value) > 2] == []


@pytest.mark.parametrize(
    "head",
    [
        f'{NAMES},9119,Twin,Twin,"first line\nsecond line",x\n{ROW}\n',
        f"9119,Twin,Twin,city,CA,92237,1,2\n{ROW}\n",
        f"9119,Twin,Twin,city\n{ROW}\n",
    ],
    ids=["row ends on a later line", "row instead of header", "short row instead of header"],
)
def test_no_message_quotes_repeated_values_of_a_row(head: str) -> None:
    message = check_head(LOCATIONS, head.encode(), is_complete=True).message(LOCATIONS.file)
    assert "the first line repeats unexpected names" in message
    assert "twin" not in message.lower()
