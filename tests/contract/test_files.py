"""Which files are refused as a whole, and in which words."""

from __future__ import annotations

import gzip

import pytest

from contract.datasets import LOCATIONS, RENTALS, USERS
from contract.file_check import HEAD_BYTES, check_head

NAMES = ",".join(LOCATIONS.column_names)
ROW = "1,Bean LLC,51144 Patrick Isle,Fontana,CA,92188,-74.4558925,-42.279882"
GOOD = f"{NAMES}\n{ROW}\n".encode()

REFUSED = {
    b"": "the file is empty",
    b"\xef\xbb\xbf \r\n\t\n": "the file is empty",
    NAMES.encode(): "no data row below the header",
    f"{NAMES}\n \t\r\n\r\n".encode(): "no data row below the header",
    GOOD.replace(b",city", b""): "missing column `city`",
    GOOD.replace(b",city", b"").replace(b"zip_code", b"zip"): "missing column `city`, `zip_code`",
    GOOD.replace(b"state", b" CITY "): "column named twice: `city`",
    GOOD.replace(b",", b";"): "wrong delimiter: semicolon instead of comma",
    GOOD.replace(b",", b"\t"): "wrong delimiter: tab instead of comma",
    GOOD.replace(b",", b"|"): "wrong delimiter: pipe instead of comma",
    GOOD.replace(b"\n", b"\r"): "lines end in CR alone",
    GOOD.replace(b"\n", b"\r") + b"\n": "lines end in CR alone",
    GOOD.replace(b"city", b"city\r"): "lines end in CR alone",
    b"a" * 200_000 + b"\n1\n": "the first line names none of the expected columns",
    GOOD.replace(b",", b"^"): "wrong delimiter: `^` instead of comma",
    GOOD.replace(b",city", b',"city\n"'): "a quote in the header is not closed on its line",
    b"<HEAD><TITLE>Sign in</TITLE>": "not CSV but HTML or XML",
    b"hello\nworld\n": "the first line names none of the expected columns",
    f"{ROW}\n{ROW}\n".encode(): "the first line names none of the expected columns",
    GOOD + "2,Café,a,b,CA,12345,0,0\n".encode("latin-1"): "not UTF-8 (line 3, byte ",
    GOOD.decode().encode("utf-16"): "not CSV but UTF-16 text",
    gzip.compress(GOOD, mtime=0): "not CSV but gzip-compressed",
    b"PAR1\x15\x04": "not CSV but Parquet",
    b"PK\x03\x04\x14": "not CSV but a zip archive or an Excel workbook",
    b"\n <!DOCTYPE html><html>Access denied</html>": "not CSV but an HTML page",
    b"<?xml version='1.0'?><Error/>": "not CSV but XML",
    b'[{"location_id": 1}]': "not CSV but JSON",
    b"a\x00b": "not CSV but binary data",
}


@pytest.mark.parametrize(("head", "words"), REFUSED.items(), ids=lambda value: str(value)[:50])
def test_refused(head: bytes, words: str) -> None:
    check = check_head(LOCATIONS, head, whole=True)
    assert check.header is None
    assert words in check.message(LOCATIONS.file)
    assert check.message(LOCATIONS.file).startswith("locations.csv: ")
    assert "\n" not in check.message(LOCATIONS.file)


def test_every_problem_is_named_at_once() -> None:
    head = GOOD.replace(b"state", b"city").replace(b"Bean", b"B\xe9an").split(b"\n")[0]
    problems = check_head(LOCATIONS, head + b"\n\xe9\n", whole=True).problems
    assert [problem.split(" (")[0].split(":")[0] for problem in problems] == [
        "not UTF-8",
        "missing column `state`",
        "column named twice",
    ]


@pytest.mark.parametrize(
    "head",
    [
        GOOD,
        b"\xef\xbb\xbf" + GOOD,
        b"\r\n \n" + GOOD.replace(b"\n", b"\r\n"),
        GOOD.replace(b"city", b' " City\t" '.strip()),
    ],
    ids=["plain", "mark", "blank lines and CRLF", "quoted and padded names"],
)
def test_accepted(head: bytes) -> None:
    check = check_head(LOCATIONS, head, whole=True)
    assert check.problems == ()
    assert check.header is not None
    assert check.header.positions == tuple(range(8))


def test_columns_in_another_order_and_one_too_many() -> None:
    names = ["extra", *reversed(RENTALS.column_names)]
    check = check_head(RENTALS, (",".join(names) + "\nx\n").encode(), whole=True)
    assert check.header is not None
    assert check.header.positions == tuple(range(8, 0, -1))
    assert check.header.width == 9
    assert check.warnings == ("unexpected column `extra` is ignored",)
    check = check_head(LOCATIONS, GOOD.replace(b"\n", b",\n"), whole=True)
    assert check.warnings == ("unexpected column without a name is ignored",)


def test_the_end_of_the_head_is_not_the_end_of_the_file() -> None:
    head = ",".join(USERS.column_names).encode() + b"\n\xc3"
    assert check_head(USERS, head, whole=False).problems == ()
    assert "not UTF-8" in check_head(USERS, head, whole=True).problems[0]
    assert HEAD_BYTES == 1024 * 1024


def test_a_header_of_any_width_gives_a_short_message() -> None:
    many = ",".join(f"column {n} {'x' * 100}" for n in range(3000))
    extra = check_head(LOCATIONS, GOOD.replace(b"\n", f",{many}\n".encode(), 1), whole=True)
    assert len(extra.warnings[0]) < 2000
    assert extra.warnings[0].endswith(" and 2,985 more is ignored")
    twice = check_head(LOCATIONS, GOOD.replace(b"\n", f",{many},{many}\n".encode(), 1), whole=True)
    assert len(twice.message(LOCATIONS.file)) < 2000
