"""The generator of sample data: what it plants, and that clean data is clean."""

from __future__ import annotations

import csv
import hashlib
import re
from collections import Counter
from datetime import datetime, timedelta
from decimal import Decimal as Number
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest

from contract import codes
from contract.datasets import DATASETS, LOCATIONS, RENTALS, USERS, VEHICLES, Dataset, InputColumn
from contract.field_formats import DecimalFormat, FieldFormat, IntegerFormat, TimestampFormat
from contract.file_check import check_head
from sample_data import write_sample
from sample_data.business import Business, Row
from sample_data.corruption import (
    Corruption,
    Corruptions,
    bad_values,
    corrupted_positions,
    corruptions,
)
from sample_data.variations import odd_layout, quoted, variations, written
from sample_data.writer import write_file

HOURLY_RATES = {"basic": 10, "premium": 20, "high_end": 50}
FIELD = r'(?:"(?:[^"]|"")*"|[^",\n]*)'
RECORD = f"{FIELD}(?:,{FIELD})*"
NAMED = pytest.mark.parametrize("dataset", DATASETS, ids=lambda dataset: dataset.name)
EVERY_SPOILER = [(dataset, spoiler) for dataset in DATASETS for spoiler in corruptions(dataset)]


def is_valid(text: str, kind: FieldFormat) -> bool:
    if kind.pattern is not None and not re.fullmatch(kind.pattern, text):
        return False
    if isinstance(kind, IntegerFormat):
        return int(text) <= kind.maximum
    if isinstance(kind, DecimalFormat):
        return Number(text) >= kind.minimum and Number(text) <= (kind.maximum or Number("Inf"))
    if isinstance(kind, TimestampFormat):
        letters = {"yyyy": "%Y", "MM": "%m", "dd": "%d", "HH": "%H", "mm": "%M", "ss": "%S"}
        form = re.sub("[a-zA-Z]+", lambda found: letters[found[0]], kind.format)
        try:
            datetime.strptime(text, form)  # noqa: DTZ007 (the contract's times have no zone)
        except ValueError:
            return False
    return True


def reasons(dataset: Dataset, row: Row | list[str]) -> set[str]:
    """The codes that the row earns by itself."""

    def reason(column: InputColumn, field: str) -> str | None:
        text = field.strip(" \t")
        if not text:
            return codes.missing_code(column.name) if column.required else None
        return None if is_valid(text, column.kind) else codes.invalid_code(column.name)

    found = {reason(column, field) for column, field in zip(dataset.columns, row, strict=True)}
    named = dict(zip(dataset.column_names, row, strict=True))
    times = [named.get("rental_start_time", ""), named.get("rental_end_time", "")]
    if dataset is RENTALS and all(is_valid(time, dataset.columns[3].kind) for time in times):
        found.add(codes.END_NOT_AFTER_START if times[1] <= times[0] else None)
    return {code for code in found if code}


def width(line: str) -> int | None:
    """How many fields the record has; nothing if it is none."""
    return len(re.findall(f"{FIELD},", f"{line},")) if re.fullmatch(RECORD, line) else None


def read(folder: Path, dataset: Dataset) -> list[dict[str, str]]:
    with (folder / dataset.file).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, strict=True))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def two_rows(dataset: Dataset, seed: int = 0) -> tuple[Row, Row]:
    rows = Business(100, seed).rows(dataset)
    return next(rows), next(rows)


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clean")
    write_sample(folder, rentals=3000)
    return folder


def test_same_arguments_give_the_same_bytes(tmp_path: Path) -> None:
    for name, seed in (("one", 5), ("other", 5), ("third", 6)):
        write_sample(tmp_path / name, rentals=200, dirt=0.2, seed=seed)
    one, other, third = (contents(tmp_path / name) for name in ("one", "other", "third"))
    assert one == other
    assert set(one) == {dataset.file for dataset in DATASETS}
    assert all(one[name] != third[name] for name in one)


@pytest.mark.parametrize(("dirt", "digest"), [(0.0, "2b0759a2fac01d26"), (0.2, "cd0948dce2a71ac9")])
def test_the_bytes_are_the_same_on_every_platform(tmp_path: Path, dirt: float, digest: str) -> None:
    write_sample(tmp_path, rentals=2000, dirt=dirt, seed=7)
    everything = b"".join(contents(tmp_path).values())
    assert hashlib.sha256(everything).hexdigest()[:16] == digest


@NAMED
def test_clean_rows_break_no_rule(clean: Path, dataset: Dataset) -> None:
    rows = read(clean, dataset)
    assert tuple(rows[0]) == dataset.column_names
    assert not set().union(*(reasons(dataset, list(row.values())) for row in rows))
    assert len({row[dataset.key] for row in rows}) == len(rows)
    assert b"\r" not in (clean / dataset.file).read_bytes()


def test_clean_rentals_name_what_there_is_and_cost_what_they_should(clean: Path) -> None:
    types = {row["vehicle_id"]: row["vehicle_type"] for row in read(clean, VEHICLES)}
    users = {row["user_id"] for row in read(clean, USERS)}
    locations = {row["location_id"] for row in read(clean, LOCATIONS)}
    for row in read(clean, RENTALS):
        start, end = (datetime.fromisoformat(row[f"rental_{of}_time"]) for of in ("start", "end"))
        hours = (end - start) / timedelta(hours=1)
        assert 1 <= hours <= 72
        assert "2024-01-01" <= row["rental_start_time"] < "2024-06-01"
        assert row["total_amount"] == str(hours * HOURLY_RATES[types[row["vehicle_id"]]])
        assert row["user_id"] in users
        assert {row["pickup_location"], row["dropoff_location"]} <= locations


def test_clean_data_has_the_oddities_of_the_real_data(clean: Path) -> None:
    users = {row["user_id"]: row for row in read(clean, USERS)}
    rentals = read(clean, RENTALS)
    renters = [(row, users[row["user_id"]]) for row in rentals]
    assert any(user["is_active"] == "0" for _, user in renters)
    assert any(row["rental_start_time"] < user["creation_date"] for row, user in renters)
    spans = sorted(
        (row["vehicle_id"], row["rental_start_time"], row["rental_end_time"]) for row in rentals
    )
    overlaps = sum(one[0] == other[0] and other[1] < one[2] for one, other in pairwise(spans))
    assert 0 < overlaps < 30
    for shape in (r"[0-9a-f]{10}", r"[0-9]{10}", r"[0-9]+e[0-9]+", r"0.*"):
        assert any(re.fullmatch(shape, key) for key in users)
    assert all(re.fullmatch(r"[0-9a-f]{10}", key) for key in users)
    names = {row["registration_name"] for row in read(clean, VEHICLES)}
    assert any("," in name for name in names)
    assert any(name.startswith("\\") for name in names)
    latitudes = {row["latitude"].partition(".")[2] for row in read(clean, LOCATIONS)}
    assert {len(fraction) for fraction in latitudes} == {6, 7}


@pytest.mark.parametrize(
    ("rentals", "users", "vehicles", "locations"),
    [
        (1, 10, 10, 10),
        (2_008, 3_000, 1_818, 30),
        (20_080, 30_000, 18_180, 300),
        (1_000_000, 274_003, 166_046, 2_740),
    ],
)
def test_sizes(rentals: int, users: int, vehicles: int, locations: int) -> None:
    business = Business(rentals, seed=0)
    wanted = {USERS: users, VEHICLES: vehicles, LOCATIONS: locations, RENTALS: rentals}
    assert business.counts == wanted
    if rentals < 10_000:
        assert {each: sum(1 for _ in business.rows(each)) for each in DATASETS} == wanted


def test_many_locations_get_longer_ids() -> None:
    business = Business(4_000_000, seed=0)
    ids = [row[0] for row in business.rows(LOCATIONS)]
    assert {len(each) for each in ids} == {5}
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize(
    ("rentals", "dirt"), [(0, 0.0), (-1, 0.0), (1, -0.1), (1, 1.1), (1, float("nan"))]
)
def test_arguments_out_of_range_are_refused(tmp_path: Path, rentals: int, dirt: float) -> None:
    with pytest.raises(ValueError, match="must be"):
        write_sample(tmp_path / "new", rentals, dirt)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("dataset", "spoiler"), [pair for pair in EVERY_SPOILER if not pair[1].is_malformed]
)
def test_a_spoiled_row_earns_the_codes_that_it_is_spoiled_for(
    dataset: Dataset, spoiler: Corruption
) -> None:
    aimed = set(spoiler.codes)
    for seed in range(50):
        earlier, row = two_rows(dataset, seed)
        fields = list(row)
        spoiler.change(fields, earlier, Random(seed))
        assert reasons(dataset, fields) == aimed - {codes.duplicate_code(dataset), *codes.WARNINGS}
        changed = dict(zip(dataset.column_names, fields, strict=True))
        before = dict(zip(dataset.column_names, earlier, strict=True))
        assert (
            codes.duplicate_code(dataset) not in aimed
            or changed[dataset.key] == before[dataset.key]
        )
        if codes.OVERLAPPING_VEHICLE_RENTAL in aimed:
            del changed[dataset.key], before[dataset.key]
            assert changed == before
        unknown = [code for code in aimed if code.startswith("unknown_")]
        assert bool(unknown) == any(field.startswith("x") for field in fields)


@pytest.mark.parametrize(
    ("dataset", "spoiler"), [pair for pair in EVERY_SPOILER if pair[1].is_malformed]
)
def test_a_malformed_row_is_no_record_of_its_width(dataset: Dataset, spoiler: Corruption) -> None:
    for seed in range(50):
        earlier, row = two_rows(dataset, seed)
        fields = [written(value) for value in row]
        assert width(",".join(fields)) == len(row)
        spoiler.change(fields, earlier, Random(seed))
        line = ",".join(fields)
        assert width(line) != len(row)
        # Nor is it with the next row: a quote that is left open costs one row only.
        assert width("\n".join([line, ",".join(map(quoted, earlier))])) is None


@NAMED
def test_every_bad_value_is_bad(dataset: Dataset) -> None:
    for column in dataset.columns:
        bad = bad_values(column.kind)
        assert bool(bad) == codes.can_be_invalid(column)
        assert len(set(bad)) == len(bad)
        assert [text for text in bad if is_valid(text, column.kind)] == []


@NAMED
@pytest.mark.parametrize("seed", range(20))
def test_few_spoiled_rows_are_enough_for_every_code(dataset: Dataset, seed: int) -> None:
    known = set(codes.reject_codes(dataset))
    if dataset is RENTALS:
        known |= {codes.UNKNOWN_USER, codes.UNKNOWN_VEHICLE, codes.UNKNOWN_LOCATION}
        known |= {codes.OVERLAPPING_VEHICLE_RENTAL}
    turns = Corruptions(dataset, Random(seed))
    assert not turns.draw(may_repeat=False).repeats
    for _ in range(len(known) - 1):
        turns.draw(may_repeat=True)
    assert set(turns.planted) == known


@NAMED
@pytest.mark.parametrize("dirt", [0.5, 1.0])
def test_what_is_planted_in_a_file(tmp_path: Path, dataset: Dataset, dirt: float) -> None:
    planted = write_file(tmp_path, dataset, Business(3000, seed=3), dirt)
    assert set(codes.reject_codes(dataset)) <= set(planted)
    assert write_file(tmp_path, dataset, Business(3000, seed=3), dirt=0.0) == Counter()


@pytest.mark.parametrize(
    ("rows", "dirt", "spoiled"),
    [(1, 0.01, 1), (1, 1, 1), (10, 0.01, 1), (1000, 0.1, 100), (1000, 1, 999), (3, 0.5, 2)],
)
def test_the_share_of_spoiled_rows(rows: int, dirt: float, spoiled: int) -> None:
    for seed in range(20):
        places = list(corrupted_positions(rows, dirt, Random(seed)))
        assert (len(places), sum(places)) == (rows, spoiled)
        assert rows == 1 or False in places[: (rows + 1) // 2]


@NAMED
def test_variations_break_no_rule(dataset: Dataset) -> None:
    for vary in variations(dataset):
        for seed in range(20):
            row, _ = two_rows(dataset, seed)
            fields = list(row)
            vary(fields, Random(seed))
            assert reasons(dataset, fields) == set()
            at = dataset.column_names.index(dataset.key)
            assert fields[at].strip(" \t") == row[at]
            assert dataset.multiline or "\n" not in "".join(fields)


@NAMED
def test_odd_layouts_are_understood(dataset: Dataset) -> None:
    layouts = [odd_layout(dataset, Random(seed)) for seed in range(100)]
    for layout in layouts:
        text = f"{layout.start}{','.join(layout.header)}{layout.line_end}data{layout.line_end}"
        check = check_head(dataset, text.encode(), whole=True)
        assert check.problems == ()
        assert check.header is not None
        row = [str(position) for position in range(len(dataset.columns))]
        arranged = layout.arranged(row)
        assert [arranged[position] for position in check.header.positions] == row
        assert bool(check.warnings) == (len(layout.header) > len(row))
    for differing in ("header", "order", "line_end", "start"):
        assert len({getattr(layout, differing) for layout in layouts}) > 1
