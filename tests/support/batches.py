"""A Hypothesis strategy for small batches that can break every rule of the contract."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hypothesis import strategies as st

FILES = {
    "users": "users.csv",
    "vehicles": "vehicles.csv",
    "locations": "locations.csv",
    "rentals": "rental_transactions.csv",
}
KEYS = ["0012345678", "12e4567890", "a1", "A1", "b2", " a1", "ünï", "00000000000000000001"]
_TEXTS = ["x", "Smith, Wesson & Co", 'The "Best"', "\\slash", "Zoë", "  padded\t", "line\nbreak"]
_DATES = ["2024-01-31", "2024-02-29", "0001-01-01", "9999-12-31", "1582-10-10"]
_INVALID_DATES = ["2024-02-30", "2024-1-1", "01-01-2024", "2024-01-01 00:00:00", "0000-01-01", "x"]
_TIMES = [
    "2024-02-28 08:05:00",
    "2024-02-28 08:05:01",
    "2024-02-28 10:00:00",
    "2024-03-01 00:00:00",
]
_INVALID_TIMES = ["2024-02-30 00:00:00", "2024-01-01", "2024-01-01T00:00:00", "2024-01-01 24:00:00"]
_AMOUNTS = ["0", "10", "450.0", "450.05", "0000012.10", "9999999999.99", "0.01", "33.33"]
_INVALID_AMOUNTS = [
    "1,5",
    "1.999",
    "1e3",
    "NaN",
    "-1",
    "+1",
    "10000000000",
    ".5",
    "5.",
    "٤٥٠",
    "1 0",
]
_FLAGS = ["0", "1", " 1", "\t0 "]
_INVALID_FLAGS = ["2", "true", "01", "-1"]
_LATITUDES = ["0", "-90", "90.0000004", "+12.3456785", "-0.0000005", "45.25"]
_LATITUDES += ["-90.00000049" + "9" * 999, "12.3456785" + "0" * 999, "0" * 999 + "7.5"]
_INVALID_LATITUDES = ["90.0000005", "-91", "12,5", "1e1", "NaN", "999.9999999", "1000"]
_INVALID_LATITUDES += ["90.0000005" + "0" * 999, "9" * 999, "1." + "0" * 999 + "x"]
_YEARS = ["2020", "0", "02147483647"]
_INVALID_YEARS = ["2147483648", "20x5", "2020.0", "-5", "+5"]

ColumnValues = tuple[Sequence[str], Sequence[str]]
"""The valid and the invalid values of a column."""
_OPTIONAL_TEXT: ColumnValues = (_TEXTS, [""])
COLUMNS: Mapping[str, Mapping[str, ColumnValues]] = {
    "users": {
        "user_id": (KEYS, ["", " \t"]),
        "first_name": _OPTIONAL_TEXT,
        "last_name": _OPTIONAL_TEXT,
        "email": (["A@B.C", "ÄÖ@x.y", "a@b.c"], [""]),
        "phone_number": (["1", "+1-2 x3"], [""]),
        "driver_license_number": _OPTIONAL_TEXT,
        "driver_license_expiry": (_DATES, ["", *_INVALID_DATES]),
        "creation_date": (_DATES, ["", *_INVALID_DATES]),
        "is_active": (_FLAGS, ["", *_INVALID_FLAGS]),
    },
    "vehicles": {
        "active": (_FLAGS, ["", *_INVALID_FLAGS]),
        "vehicle_license_number": (["5828132"], [""]),
        "registration_name": _OPTIONAL_TEXT,
        "license_type": _OPTIONAL_TEXT,
        "expiration_date": (["29-02-2024", "31-12-2025"], ["", "2024-01-01", "30-02-2024"]),
        "permit_license_number": _OPTIONAL_TEXT,
        "certification_date": (_DATES, ["", *_INVALID_DATES]),
        "vehicle_year": (_YEARS, ["", *_INVALID_YEARS]),
        "base_telephone_number": _OPTIONAL_TEXT,
        "base_address": _OPTIONAL_TEXT,
        "vehicle_id": (KEYS, [""]),
        "last_update_timestamp": (["04-06-2024 13:25:00"], ["", "2024-06-04 13:25:00", "x"]),
        "brand": (["BMW", "Kia", "unknown"], [""]),
        "vehicle_type": (["basic", "premium"], [""]),
    },
    "locations": {
        "location_id": (KEYS, [""]),
        "location_name": (_TEXTS, [""]),
        "address": (_TEXTS, [""]),
        "city": (_TEXTS, ["\t"]),
        "state": (["CA", "ca", "ß"], [""]),
        "zip_code": (["00501", "94540"], ["", "1234", "123456", "1234a", "１２３４５"]),
        "latitude": (_LATITUDES, ["", *_INVALID_LATITUDES]),
        "longitude": (["-180", "179.9999999", "0.5"], ["", "180.1", "x"]),
    },
    "rentals": {
        "rental_id": ([*KEYS, *"cdefghij"], [""]),
        "user_id": ([*KEYS, "nobody"], [""]),
        "vehicle_id": ([*KEYS, "none"], [""]),
        "rental_start_time": (_TIMES, ["", *_INVALID_TIMES]),
        "rental_end_time": ([*_TIMES, "9999-12-31 23:59:59"], ["", *_INVALID_TIMES]),
        "pickup_location": ([*KEYS, "nowhere"], [""]),
        "dropoff_location": ([*KEYS, "nowhere", ""], [""]),
        "total_amount": (_AMOUNTS, ["", *_INVALID_AMOUNTS]),
    },
}
# Lines that are not records of the expected width, and some that look like the start of a record.
_MALFORMED_LINES = [
    "x",
    'a"b,c',
    '"a"b,c',
    '"never closed,',
    '","',
    '"',
    "   ",
    "",
    ",,,",
    '"a\n,b"',
]


@dataclass(frozen=True)
class Batch:
    """The content of the four files by dataset name."""

    files: Mapping[str, bytes]

    def write(self, folder: Path) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        for dataset, content in self.files.items():
            (folder / FILES[dataset]).write_bytes(content)
        return folder


def _field(values: ColumnValues) -> st.SearchStrategy[str]:
    valid, invalid = (st.sampled_from(choices) for choices in values)
    # Invalid values are rare. Otherwise, hardly any row would be accepted.
    return st.integers(0, 39).flatmap(lambda number: invalid if number == 0 else valid)


@st.composite
def _file(draw: st.DrawFn, dataset: str) -> bytes:
    columns = COLUMNS[dataset]
    names = draw(st.permutations([*columns, *draw(st.sampled_from([[], ["extra"]]))]))
    line_ending = draw(st.sampled_from(["\n", "\r\n"]))
    quoting = draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
    rows = draw(
        st.lists(
            st.fixed_dictionaries({name: _field(values) for name, values in columns.items()}),
            min_size=15,
            max_size=60,
        )
    )
    lines = [_format_line([f" {name.upper()}" for name in names], quoting)]
    for row in [dict.fromkeys(columns, ""), *rows]:
        values = [row.get(name, "extra") for name in names]
        if dataset == "rentals":
            values = [value.replace("\n", " ") for value in values]
        lines.append(_format_line(values, quoting))
    for line in draw(st.lists(st.sampled_from(_MALFORMED_LINES), max_size=6)):
        lines.insert(draw(st.integers(1, len(lines))), line)
    byte_order_mark = draw(st.sampled_from(["", "\ufeff"]))
    file_ending = draw(st.sampled_from(["", line_ending]))
    return (byte_order_mark + line_ending.join(lines) + file_ending).encode()


def _format_line(values: Sequence[str], quoting: int) -> str:
    text = io.StringIO()
    csv.writer(text, quoting=quoting, lineterminator="").writerow(values)  # type: ignore[arg-type]
    return text.getvalue()


def batches() -> st.SearchStrategy[Batch]:
    """Return a strategy for batches of up to 60 generated rows per file, some of them invalid."""
    return st.fixed_dictionaries({dataset: _file(dataset) for dataset in FILES}).map(Batch)
