"""The sample data generator: valid data, corruptions, and harmless variations."""

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
    CorruptionQueue,
    list_corruptions,
    list_invalid_values,
    select_corrupted_rows,
)
from sample_data.variations import list_variations, quote, quote_if_needed, random_layout
from sample_data.writer import write_file

HOURLY_RATES = {"basic": 10, "premium": 20, "high_end": 50}
FIELD = r'(?:"(?:[^"]|"")*"|[^",\n]*)'
RECORD = f"{FIELD}(?:,{FIELD})*"
for_each_dataset = pytest.mark.parametrize("dataset", DATASETS, ids=lambda dataset: dataset.name)
EVERY_CORRUPTION = [
    (dataset, corruption) for dataset in DATASETS for corruption in list_corruptions(dataset)
]


def is_valid(text: str, field_format: FieldFormat) -> bool:
    if field_format.regex is not None and not re.fullmatch(field_format.regex, text):
        return False
    if isinstance(field_format, IntegerFormat):
        return int(text) <= field_format.maximum
    if isinstance(field_format, DecimalFormat):
        return Number(text) >= field_format.minimum and Number(text) <= (
            field_format.maximum or Number("Inf")
        )
    if isinstance(field_format, TimestampFormat):
        directives = {"yyyy": "%Y", "MM": "%m", "dd": "%d", "HH": "%H", "mm": "%M", "ss": "%S"}
        pattern = re.sub(
            "[a-zA-Z]+", lambda match: directives[match[0]], field_format.datetime_pattern
        )
        try:
            datetime.strptime(text, pattern)  # noqa: DTZ007 (the contract's times have no zone)
        except ValueError:
            return False
    return True


def get_reject_codes(dataset: Dataset, row: Row | list[str]) -> set[str]:
    """Return the reject codes of a row, apart from those that depend on other rows."""

    def get_code(column: InputColumn, field: str) -> str | None:
        text = field.strip(" \t")
        if not text:
            return codes.missing_code(column.name) if column.required else None
        return None if is_valid(text, column.format) else codes.invalid_code(column.name)

    result = {get_code(column, field) for column, field in zip(dataset.columns, row, strict=True)}
    fields = dict(zip(dataset.column_names, row, strict=True))
    times = [fields.get("rental_start_time", ""), fields.get("rental_end_time", "")]
    if dataset is RENTALS and all(is_valid(time, dataset.columns[3].format) for time in times):
        result.add(codes.END_NOT_AFTER_START if times[1] <= times[0] else None)
    return {code for code in result if code}


def count_fields(line: str) -> int | None:
    """Return the number of fields of a CSV record, or `None` if the line is not one record."""
    return len(re.findall(f"{FIELD},", f"{line},")) if re.fullmatch(RECORD, line) else None


def read_rows(folder: Path, dataset: Dataset) -> list[dict[str, str]]:
    with (folder / dataset.file).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, strict=True))


def read_files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def generate_two_rows(dataset: Dataset, seed: int = 0) -> tuple[Row, Row]:
    rows = Business(100, seed).rows(dataset)
    return next(rows), next(rows)


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clean")
    write_sample(folder, rentals=3000)
    return folder


def test_same_arguments_produce_same_bytes(tmp_path: Path) -> None:
    for name, seed in (("first", 5), ("second", 5), ("third", 6)):
        write_sample(tmp_path / name, rentals=200, error_rate=0.2, seed=seed)
    first, second, third = (read_files(tmp_path / name) for name in ("first", "second", "third"))
    assert first == second
    assert set(first) == {dataset.file for dataset in DATASETS}
    assert all(first[name] != third[name] for name in first)


@pytest.mark.parametrize(
    ("error_rate", "digest"), [(0.0, "2b0759a2fac01d26"), (0.2, "cd0948dce2a71ac9")]
)
def test_bytes_are_the_same_on_every_platform(
    tmp_path: Path, error_rate: float, digest: str
) -> None:
    write_sample(tmp_path, rentals=2000, error_rate=error_rate, seed=7)
    everything = b"".join(read_files(tmp_path).values())
    assert hashlib.sha256(everything).hexdigest()[:16] == digest


@for_each_dataset
def test_clean_rows_break_no_rule(clean: Path, dataset: Dataset) -> None:
    rows = read_rows(clean, dataset)
    assert tuple(rows[0]) == dataset.column_names
    assert not set().union(*(get_reject_codes(dataset, list(row.values())) for row in rows))
    assert len({row[dataset.key] for row in rows}) == len(rows)
    assert b"\r" not in (clean / dataset.file).read_bytes()


def test_clean_rentals_have_valid_references_and_amounts(clean: Path) -> None:
    types = {row["vehicle_id"]: row["vehicle_type"] for row in read_rows(clean, VEHICLES)}
    users = {row["user_id"] for row in read_rows(clean, USERS)}
    locations = {row["location_id"] for row in read_rows(clean, LOCATIONS)}
    for row in read_rows(clean, RENTALS):
        start, end = (datetime.fromisoformat(row[f"rental_{of}_time"]) for of in ("start", "end"))
        hours = (end - start) / timedelta(hours=1)
        assert 1 <= hours <= 72
        assert "2024-01-01" <= row["rental_start_time"] < "2024-06-01"
        assert row["total_amount"] == str(hours * HOURLY_RATES[types[row["vehicle_id"]]])
        assert row["user_id"] in users
        assert {row["pickup_location"], row["dropoff_location"]} <= locations


def test_clean_data_has_the_peculiarities_of_the_real_data(clean: Path) -> None:
    users = {row["user_id"]: row for row in read_rows(clean, USERS)}
    rentals = read_rows(clean, RENTALS)
    renters = [(row, users[row["user_id"]]) for row in rentals]
    assert any(user["is_active"] == "0" for _, user in renters)
    assert any(row["rental_start_time"] < user["creation_date"] for row, user in renters)
    spans = sorted(
        (row["vehicle_id"], row["rental_start_time"], row["rental_end_time"]) for row in rentals
    )
    overlaps = sum(
        first[0] == second[0] and second[1] < first[2] for first, second in pairwise(spans)
    )
    assert 0 < overlaps < 30
    for shape in (r"[0-9a-f]{10}", r"[0-9]{10}", r"[0-9]+e[0-9]+", r"0.*"):
        assert any(re.fullmatch(shape, key) for key in users)
    assert all(re.fullmatch(r"[0-9a-f]{10}", key) for key in users)
    names = {row["registration_name"] for row in read_rows(clean, VEHICLES)}
    assert any("," in name for name in names)
    assert any(name.startswith("\\") for name in names)
    latitudes = {row["latitude"].partition(".")[2] for row in read_rows(clean, LOCATIONS)}
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
def test_row_counts_scale_with_rentals(
    rentals: int, users: int, vehicles: int, locations: int
) -> None:
    business = Business(rentals, seed=0)
    expected_counts = {USERS: users, VEHICLES: vehicles, LOCATIONS: locations, RENTALS: rentals}
    assert business.counts == expected_counts
    if rentals < 10_000:
        assert {
            dataset: sum(1 for _ in business.rows(dataset)) for dataset in DATASETS
        } == expected_counts


def test_location_ids_are_longer_for_many_locations() -> None:
    business = Business(4_000_000, seed=0)
    ids = [row[0] for row in business.rows(LOCATIONS)]
    assert {len(location_id) for location_id in ids} == {5}
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize(
    ("rentals", "error_rate"), [(0, 0.0), (-1, 0.0), (1, -0.1), (1, 1.1), (1, float("nan"))]
)
def test_out_of_range_arguments_raise_value_error(
    tmp_path: Path, rentals: int, error_rate: float
) -> None:
    with pytest.raises(ValueError, match="must be"):
        write_sample(tmp_path / "new", rentals, error_rate)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("dataset", "corruption"), [pair for pair in EVERY_CORRUPTION if not pair[1].is_malformed]
)
def test_corrupted_row_has_the_codes_of_its_corruption(
    dataset: Dataset, corruption: Corruption
) -> None:
    target_codes = set(corruption.codes)
    for seed in range(50):
        earlier, row = generate_two_rows(dataset, seed)
        fields = list(row)
        corruption.apply(fields, earlier, Random(seed))
        assert get_reject_codes(dataset, fields) == target_codes - {
            codes.duplicate_code(dataset),
            *codes.WARNINGS,
        }
        changed = dict(zip(dataset.column_names, fields, strict=True))
        before = dict(zip(dataset.column_names, earlier, strict=True))
        assert (
            codes.duplicate_code(dataset) not in target_codes
            or changed[dataset.key] == before[dataset.key]
        )
        if codes.OVERLAPPING_VEHICLE_RENTAL in target_codes:
            del changed[dataset.key], before[dataset.key]
            assert changed == before
        unknown = [code for code in target_codes if code.startswith("unknown_")]
        assert bool(unknown) == any(field.startswith("x") for field in fields)


@pytest.mark.parametrize(
    ("dataset", "corruption"), [pair for pair in EVERY_CORRUPTION if pair[1].is_malformed]
)
def test_malformed_row_has_wrong_field_count_or_quoting(
    dataset: Dataset, corruption: Corruption
) -> None:
    for seed in range(50):
        earlier, row = generate_two_rows(dataset, seed)
        fields = [quote_if_needed(value) for value in row]
        assert count_fields(",".join(fields)) == len(row)
        corruption.apply(fields, earlier, Random(seed))
        line = ",".join(fields)
        assert count_fields(line) != len(row)
        # The next row does not close an open quote: an open quote corrupts one row only.
        assert count_fields("\n".join([line, ",".join(map(quote, earlier))])) is None


@for_each_dataset
def test_every_invalid_value_is_invalid(dataset: Dataset) -> None:
    for column in dataset.columns:
        invalid = list_invalid_values(column.format)
        assert bool(invalid) == codes.can_be_invalid(column)
        assert len(set(invalid)) == len(invalid)
        assert [text for text in invalid if is_valid(text, column.format)] == []


@for_each_dataset
@pytest.mark.parametrize("seed", range(20))
def test_first_corruptions_cover_every_code(dataset: Dataset, seed: int) -> None:
    expected_codes = set(codes.reject_codes(dataset))
    if dataset is RENTALS:
        expected_codes |= {codes.UNKNOWN_USER, codes.UNKNOWN_VEHICLE, codes.UNKNOWN_LOCATION}
        expected_codes |= {codes.OVERLAPPING_VEHICLE_RENTAL}
    queue = CorruptionQueue(dataset, Random(seed))
    assert not queue.draw(has_earlier_row=False).needs_earlier_row
    for _ in range(len(expected_codes) - 1):
        queue.draw(has_earlier_row=True)
    assert set(queue.code_counts) == expected_codes


@for_each_dataset
@pytest.mark.parametrize("error_rate", [0.5, 1.0])
def test_corrupted_file_covers_every_reject_code(
    tmp_path: Path, dataset: Dataset, error_rate: float
) -> None:
    code_counts = write_file(tmp_path, dataset, Business(3000, seed=3), error_rate)
    assert set(codes.reject_codes(dataset)) <= set(code_counts)
    assert write_file(tmp_path, dataset, Business(3000, seed=3), error_rate=0.0) == Counter()


@pytest.mark.parametrize(
    ("rows", "error_rate", "corrupted"),
    [(1, 0.01, 1), (1, 1, 1), (10, 0.01, 1), (1000, 0.1, 100), (1000, 1, 999), (3, 0.5, 2)],
)
def test_number_of_corrupted_rows_matches_error_rate(
    rows: int, error_rate: float, corrupted: int
) -> None:
    for seed in range(20):
        selection = list(select_corrupted_rows(rows, error_rate, Random(seed)))
        assert (len(selection), sum(selection)) == (rows, corrupted)
        assert rows == 1 or False in selection[: (rows + 1) // 2]


@for_each_dataset
def test_variations_break_no_rule(dataset: Dataset) -> None:
    for vary in list_variations(dataset):
        for seed in range(20):
            row, _ = generate_two_rows(dataset, seed)
            fields = list(row)
            vary(fields, Random(seed))
            assert get_reject_codes(dataset, fields) == set()
            at = dataset.column_names.index(dataset.key)
            assert fields[at].strip(" \t") == row[at]
            assert dataset.multiline or "\n" not in "".join(fields)


@for_each_dataset
def test_random_layouts_pass_the_file_check(dataset: Dataset) -> None:
    layouts = [random_layout(dataset, Random(seed)) for seed in range(100)]
    for layout in layouts:
        text = f"{layout.start}{','.join(layout.header)}{layout.line_end}data{layout.line_end}"
        check = check_head(dataset, text.encode(), is_complete=True)
        assert check.problems == ()
        assert check.header is not None
        row = [str(position) for position in range(len(dataset.columns))]
        arranged = layout.arrange(row)
        assert [arranged[position] for position in check.header.positions] == row
        assert bool(check.warnings) == (len(layout.header) > len(row))
    for attribute in ("header", "order", "line_end", "start"):
        assert len({getattr(layout, attribute) for layout in layouts}) > 1
