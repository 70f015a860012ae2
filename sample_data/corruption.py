"""Corruptions: deliberate errors in rows, derived from the contract.

Each corruption names the codes that the corrupted row then has.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from random import Random

from contract import codes
from contract.datasets import RENTALS, Dataset, InputColumn
from contract.field_formats import (
    BooleanFormat,
    DecimalFormat,
    FieldFormat,
    IntegerFormat,
    TextFormat,
    TimestampFormat,
)

_NONEXISTENT_DAYS = (
    "2024-02-30",
    "2023-02-29",
    "2024-04-31",
    "2024-13-01",
    "2024-00-10",
    "2024-01-00",
)

Fields = list[str]
Change = Callable[[Fields, Sequence[str], Random], None]
"""Corrupts the fields of a row in place, given the fields of an earlier valid row of the file."""


@dataclass(frozen=True)
class Corruption:
    """One way to corrupt a row.

    Attributes:
        codes: Reject codes and warnings that the corrupted row should have.
        apply: Corrupts the row.
        needs_earlier_row: Whether `apply` copies from an earlier valid row.
    """

    codes: tuple[str, ...]
    apply: Change
    needs_earlier_row: bool = False

    @property
    def is_malformed(self) -> bool:
        """Whether `apply` expects the fields as the file writes them, including quotes."""
        return codes.MALFORMED_ROW in self.codes


class CorruptionQueue:
    """The corruptions of a dataset in rotation. Those that add a new code come first.

    Attributes:
        code_counts: Number of drawn corruptions for each code.
    """

    def __init__(self, dataset: Dataset, rng: Random) -> None:
        self.code_counts: Counter[str] = Counter()
        shuffled = list_corruptions(dataset)
        rng.shuffle(shuffled)
        covered_codes: set[str] = set()
        first: list[Corruption] = []
        others: list[Corruption] = []
        for corruption in shuffled:
            (others if covered_codes.issuperset(corruption.codes) else first).append(corruption)
            covered_codes.update(corruption.codes)
        self._queue = first + others

    def draw(self, has_earlier_row: bool) -> Corruption:
        """Return the next applicable corruption, count its codes, and move it to the end.

        Args:
            has_earlier_row: Whether the file has an earlier valid row to copy from.
        """
        corruption = next(
            candidate
            for candidate in self._queue
            if has_earlier_row or not candidate.needs_earlier_row
        )
        self._queue.remove(corruption)
        self._queue.append(corruption)
        self.code_counts.update(corruption.codes)
        return corruption


def select_corrupted_rows(row_count: int, error_rate: float, rng: Random) -> Iterator[bool]:
    """Generate, for each row of a file, whether to corrupt it.

    At least one row is corrupted. If there are several rows, at least one in the first half remains
    valid as a source of duplicates.

    Args:
        row_count: Number of rows in the file.
        error_rate: Share of rows to corrupt, from 0 to 1.
        rng: Source of random numbers.
    """
    protected = rng.randrange((row_count + 1) // 2) if row_count > 1 else row_count
    remaining_rows = max(row_count - 1, 1)
    remaining_corruptions = min(max(round(error_rate * row_count), 1), remaining_rows)
    for index in range(row_count):
        is_corrupted = index != protected and rng.random() * remaining_rows < remaining_corruptions
        yield is_corrupted
        remaining_corruptions -= is_corrupted
        remaining_rows -= index != protected


def list_corruptions(dataset: Dataset) -> list[Corruption]:
    """Return every corruption that applies to a dataset."""
    by_column = [
        column_corruptions
        for index, column in enumerate(dataset.columns)
        if (column_corruptions := _list_column_corruptions(index, column))
    ]
    two_codes = [_combine(current[0], following[-1]) for current, following in pairwise(by_column)]
    corruptions = [Corruption((codes.MALFORMED_ROW,), apply) for apply in _MALFORMED]
    corruptions += [corruption for in_column in by_column for corruption in in_column] + two_codes
    corruptions += _list_duplicate_corruptions(dataset, by_column[-1][-1])
    return corruptions + (_list_rental_corruptions() if dataset is RENTALS else [])


def list_invalid_values(field_format: FieldFormat) -> tuple[str, ...]:
    """Return strings that are invalid in a format; none for free text."""
    if isinstance(field_format, TextFormat):
        invalid_zip_codes = ("1234", "123456", "12345-678", "1234O", "12 345")
        return (*invalid_zip_codes, _to_fullwidth("12345")) if field_format.regex else ()
    if isinstance(field_format, BooleanFormat):
        return ("2", "true", "yes", "-1", "01", "1.0", _to_fullwidth("1"))
    if isinstance(field_format, IntegerFormat):
        too_large = ("99999999999", str(field_format.maximum + 1))
        return ("20x5", "2020.0", "-2020", "2e3", _to_fullwidth("2020"), *too_large)
    if isinstance(field_format, DecimalFormat):
        return _list_invalid_decimals(field_format)
    return _list_invalid_timestamps(field_format)


def _to_fullwidth(digits: str) -> str:
    """Return the full-width Unicode forms of ASCII digits."""
    return "".join(chr(ord(digit) + 0xFEE0) for digit in digits)


def _list_invalid_decimals(field_format: DecimalFormat) -> tuple[str, ...]:
    texts = ["1,5", "1e3", "1e-3", "NaN", "Infinity", "12.5x", "1 000", "0x1F", _to_fullwidth("12")]
    texts.append(str(field_format.minimum - 1))
    texts.append("1" * (field_format.precision - field_format.scale + 1))
    if field_format.maximum is not None:
        texts += [str(field_format.maximum + 1), f"{field_format.maximum}.000001"]
    if not field_format.round_excess:
        excess_digits = field_format.scale + 1
        texts += ["1." + "9" * excess_digits, "450." + "0" * excess_digits]
    return tuple(texts)


def _list_invalid_timestamps(field_format: TimestampFormat) -> tuple[str, ...]:
    def format_text(day: str, clock: str = "12:30:00") -> str:
        text = field_format.datetime_pattern.replace("HH:mm:ss", clock)
        for letters, digits in zip(("yyyy", "MM", "dd"), day.split("-"), strict=True):
            text = text.replace(letters, digits)
        return text

    valid = format_text("2024-05-06")
    date, *time = valid.split()
    reversed_date = " ".join(["-".join(reversed(date.split("-"))), *time])
    texts = [format_text(day) for day in _NONEXISTENT_DAYS]
    texts += [reversed_date, valid.replace("-", "/"), valid.replace("-0", "-")]
    texts += [valid.replace("2024", "24"), f"{valid}Z", f"{valid} x", f"{valid}.5"]
    texts += [valid.replace("2024", _to_fullwidth("2024")), "soon"]
    if "HH" in field_format.datetime_pattern:
        clocks = ("24:00:00", "12:60:00", "12:30")
        texts += [format_text("2024-05-06", clock) for clock in clocks]
        return (*texts, date, valid.replace(" ", "T"))
    return (*texts, f"{valid} 12:30:00")


def _list_column_corruptions(index: int, column: InputColumn) -> list[Corruption]:
    """Return the corruptions of one column: empty if required, invalid if possible."""

    def clear(fields: Fields, _: Sequence[str], rng: Random) -> None:
        fields[index] = rng.choice(("", "", " ", "\t", " \t "))

    def invalidate(fields: Fields, _: Sequence[str], rng: Random) -> None:
        fields[index] = rng.choice(invalid_values)

    invalid_values = list_invalid_values(column.format)
    corruptions = []
    if column.required:
        corruptions.append(Corruption((codes.missing_code(column.name),), clear))
    if invalid_values:
        corruptions.append(Corruption((codes.invalid_code(column.name),), invalidate))
    return corruptions


def _combine(first: Corruption, second: Corruption) -> Corruption:
    def apply(fields: Fields, earlier_row: Sequence[str], rng: Random) -> None:
        first.apply(fields, earlier_row, rng)
        second.apply(fields, earlier_row, rng)

    needs_earlier_row = first.needs_earlier_row or second.needs_earlier_row
    return Corruption(first.codes + second.codes, apply, needs_earlier_row)


def _list_duplicate_corruptions(dataset: Dataset, other: Corruption) -> list[Corruption]:
    key = dataset.column_names.index(dataset.key)

    def copy_row(fields: Fields, earlier_row: Sequence[str], _: Random) -> None:
        fields[:] = earlier_row

    def copy_all_but_last_field(fields: Fields, earlier_row: Sequence[str], _: Random) -> None:
        fields[:-1] = earlier_row[:-1]

    def copy_key(fields: Fields, earlier_row: Sequence[str], _: Random) -> None:
        fields[key] = earlier_row[key]

    duplicate = (codes.duplicate_code(dataset),)
    copies = (copy_row, copy_all_but_last_field, copy_key)
    # A row with another reject reason is not also a duplicate, even if its key is repeated.
    not_a_duplicate = _combine(Corruption((), copy_key, needs_earlier_row=True), other)
    return [
        *(Corruption(duplicate, apply, needs_earlier_row=True) for apply in copies),
        not_a_duplicate,
    ]


def _list_rental_corruptions() -> list[Corruption]:
    """Return corruptions that only rentals have: times, unknown IDs, and overlapping rentals."""
    index_of = RENTALS.column_names.index
    key = index_of(RENTALS.key)
    start, end = index_of("rental_start_time"), index_of("rental_end_time")

    def copy_start_to_end(fields: Fields, _: Sequence[str], __: Random) -> None:
        fields[end] = fields[start]

    def swap_start_and_end(fields: Fields, _: Sequence[str], __: Random) -> None:
        fields[start], fields[end] = fields[end], fields[start]

    def copy_all_but_key(fields: Fields, earlier_row: Sequence[str], _: Random) -> None:
        fields[:] = [*earlier_row[:key], fields[key], *earlier_row[key + 1 :]]

    def make_unknown(index: int) -> Change:
        def apply(fields: Fields, _: Sequence[str], __: Random) -> None:
            fields[index] = "x" + fields[index][1:]

        return apply

    wrong_ends = [
        Corruption((codes.END_NOT_AFTER_START,), apply)
        for apply in (copy_start_to_end, swap_start_and_end)
    ]
    pickup = index_of("pickup_location")
    missing_pickup = _list_column_corruptions(pickup, RENTALS.columns[pickup])[0]
    overlapping_codes = (codes.OVERLAPPING_VEHICLE_RENTAL,)
    return [
        *wrong_ends,
        _combine(wrong_ends[0], missing_pickup),
        Corruption(overlapping_codes, copy_all_but_key, needs_earlier_row=True),
        *(
            Corruption((code,), make_unknown(index_of(name)))
            for code, name in (
                (codes.UNKNOWN_USER, "user_id"),
                (codes.UNKNOWN_VEHICLE, "vehicle_id"),
                (codes.UNKNOWN_LOCATION, "pickup_location"),
                (codes.UNKNOWN_LOCATION, "dropoff_location"),
            )
        ),
    ]


# The following functions receive the fields as the file writes them. They must not leave a quote
# directly before a comma or a line end: an unclosed quote would find its end there.


def _delete_field(fields: Fields, _: Sequence[str], rng: Random) -> None:
    del fields[rng.randrange(len(fields))]


def _add_field(fields: Fields, _: Sequence[str], rng: Random) -> None:
    fields.insert(rng.randrange(len(fields) + 1), rng.choice(("", "more")))


def _misquote(pattern: str) -> Change:
    def apply(fields: Fields, _: Sequence[str], rng: Random) -> None:
        unquoted = [index for index, field in enumerate(fields) if field and '"' not in field]
        index = rng.choice(unquoted)
        fields[index] = pattern.format(fields[index])

    return apply


_MALFORMED = (
    _delete_field,
    _add_field,
    _misquote('{0}"{0}'),
    _misquote('"{0}"{0}'),
    _misquote('"{0}'),
)
