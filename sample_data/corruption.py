"""Ways to spoil a row, derived from the contract; each tells which codes the row then carries."""

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

Fields = list[str]
Change = Callable[[Fields, Sequence[str], Random], None]
"""Spoils a row's fields in place; beside them it gets an earlier row of the file, a valid one."""


@dataclass(frozen=True)
class Corruption:
    """One way to spoil a row; `codes` are the reject codes and warnings that it aims at.

    `repeats` says that it cannot do without an earlier row.
    """

    codes: tuple[str, ...]
    change: Change
    repeats: bool = False

    @property
    def is_malformed(self) -> bool:
        """Whether the fields are to be spoiled as they are written, in their quotes."""
        return codes.MALFORMED_ROW in self.codes


class Corruptions:
    """All ways to spoil a dataset's rows, drawn in turn; those that bring a new code come first."""

    def __init__(self, dataset: Dataset, rng: Random) -> None:
        self.planted: Counter[str] = Counter()
        shuffled = corruptions(dataset)
        rng.shuffle(shuffled)
        brought: set[str] = set()
        first: list[Corruption] = []
        others: list[Corruption] = []
        for spoiler in shuffled:
            (others if brought.issuperset(spoiler.codes) else first).append(spoiler)
            brought.update(spoiler.codes)
        self._queue = first + others

    def draw(self, may_repeat: bool) -> Corruption:
        """The next in turn, which then goes to the end of the queue; its codes are counted."""
        spoiler = next(each for each in self._queue if may_repeat or not each.repeats)
        self._queue.remove(spoiler)
        self._queue.append(spoiler)
        self.planted.update(spoiler.codes)
        return spoiler


def corrupted_positions(rows: int, dirt: float, rng: Random) -> Iterator[bool]:
    """For each row whether it is to be spoiled: the share `dirt` of all, but one at least.

    Where there are several rows, one in the first half always stays, for duplicates to repeat.
    """
    kept = rng.randrange((rows + 1) // 2) if rows > 1 else rows
    candidates = max(rows - 1, 1)
    spoiled = min(max(round(dirt * rows), 1), candidates)
    for place in range(rows):
        is_spoiled = place != kept and rng.random() * candidates < spoiled
        yield is_spoiled
        spoiled -= is_spoiled
        candidates -= place != kept


def corruptions(dataset: Dataset) -> list[Corruption]:
    """Every way to spoil a row of the dataset."""
    by_column = [_of_column(at, column) for at, column in enumerate(dataset.columns)]
    by_column = [of_column for of_column in by_column if of_column]
    two_reasons = [_both(one[0], other[-1]) for one, other in pairwise(by_column)]
    every = [Corruption((codes.MALFORMED_ROW,), change) for change in _MALFORMED]
    every += [spoiler for of_column in by_column for spoiler in of_column] + two_reasons
    every += _repeated(dataset, by_column[-1][-1])
    return every + (_of_rentals() if dataset is RENTALS else [])


def bad_values(kind: FieldFormat) -> tuple[str, ...]:
    """Texts that are no value of the kind; none for plain text."""
    if isinstance(kind, TextFormat):
        no_zip = ("1234", "123456", "12345-678", "1234O", "12 345", _wide("12345"))
        return no_zip if kind.pattern else ()
    if isinstance(kind, BooleanFormat):
        return ("2", "true", "yes", "-1", "01", "1.0", _wide("1"))
    if isinstance(kind, IntegerFormat):
        too_large = ("99999999999", str(kind.maximum + 1))
        return ("20x5", "2020.0", "-2020", "2e3", _wide("2020"), *too_large)
    if isinstance(kind, DecimalFormat):
        return _bad_decimals(kind)
    return _bad_moments(kind)


def _wide(digits: str) -> str:
    """Digits as East Asian text has them, which are no ASCII."""
    return "".join(chr(ord(digit) + 0xFEE0) for digit in digits)


def _bad_decimals(kind: DecimalFormat) -> tuple[str, ...]:
    texts = ["1,5", "1e3", "1e-3", "NaN", "Infinity", "12.5x", "1 000", "0x1F", _wide("12")]
    texts += [str(kind.minimum - 1), "1" * (kind.precision - kind.scale + 1)]
    if kind.maximum is not None:
        texts += [str(kind.maximum + 1), f"{kind.maximum}.000001"]
    if not kind.rounded:
        texts += ["1." + "9" * (kind.scale + 1), "450." + "0" * (kind.scale + 1)]
    return tuple(texts)


def _bad_moments(kind: TimestampFormat) -> tuple[str, ...]:
    def written(day: str, clock: str = "12:30:00") -> str:
        text = kind.format.replace("HH:mm:ss", clock)
        for letters, digits in zip(("yyyy", "MM", "dd"), day.split("-"), strict=True):
            text = text.replace(letters, digits)
        return text

    good = written("2024-05-06")
    turned = " ".join(["-".join(reversed(good.split()[0].split("-"))), *good.split()[1:]])
    no_days = ("2024-02-30", "2023-02-29", "2024-04-31", "2024-13-01", "2024-00-10", "2024-01-00")
    texts = [written(day) for day in no_days]
    texts += [turned, good.replace("-", "/"), good.replace("-0", "-"), good.replace("2024", "24")]
    texts += [f"{good}Z", f"{good} x", f"{good}.5", good.replace("2024", _wide("2024")), "soon"]
    if "HH" in kind.format:
        texts += [written("2024-05-06", clock) for clock in ("24:00:00", "12:60:00", "12:30")]
        return (*texts, good.split()[0], good.replace(" ", "T"))
    return (*texts, f"{good} 12:30:00")


def _of_column(at: int, column: InputColumn) -> list[Corruption]:
    """Empty where the column must not be, then invalid where it can be."""

    def empty(fields: Fields, _: Sequence[str], rng: Random) -> None:
        fields[at] = rng.choice(("", "", " ", "\t", " \t "))

    def worsen(fields: Fields, _: Sequence[str], rng: Random) -> None:
        fields[at] = rng.choice(bad)

    bad = bad_values(column.kind)
    found = [Corruption((codes.missing_code(column.name),), empty)] if column.required else []
    return found + ([Corruption((codes.invalid_code(column.name),), worsen)] if bad else [])


def _both(one: Corruption, other: Corruption) -> Corruption:
    def change(fields: Fields, earlier: Sequence[str], rng: Random) -> None:
        one.change(fields, earlier, rng)
        other.change(fields, earlier, rng)

    return Corruption(one.codes + other.codes, change, one.repeats or other.repeats)


def _repeated(dataset: Dataset, reason: Corruption) -> list[Corruption]:
    key = dataset.column_names.index(dataset.key)

    def copy(fields: Fields, earlier: Sequence[str], _: Random) -> None:
        fields[:] = earlier

    def copy_all_but_last(fields: Fields, earlier: Sequence[str], _: Random) -> None:
        fields[:-1] = earlier[:-1]

    def copy_key(fields: Fields, earlier: Sequence[str], _: Random) -> None:
        fields[key] = earlier[key]

    duplicate = (codes.duplicate_code(dataset),)
    # A repeated key is no duplicate in a row with another reason.
    only_reason = _both(Corruption((), copy_key, repeats=True), reason)
    copies = (copy, copy_all_but_last, copy_key)
    return [Corruption(duplicate, each, repeats=True) for each in copies] + [only_reason]


def _of_rentals() -> list[Corruption]:
    """What only rentals can have: an end before the start, ids of nothing, double bookings."""
    at = RENTALS.column_names.index
    key, start, end = at(RENTALS.key), at("rental_start_time"), at("rental_end_time")

    def end_at_start(fields: Fields, _: Sequence[str], __: Random) -> None:
        fields[end] = fields[start]

    def swap(fields: Fields, _: Sequence[str], __: Random) -> None:
        fields[start], fields[end] = fields[end], fields[start]

    def book_again(fields: Fields, earlier: Sequence[str], _: Random) -> None:
        fields[:] = [*earlier[:key], fields[key], *earlier[key + 1 :]]

    def unknown(column: int) -> Change:
        def change(fields: Fields, _: Sequence[str], __: Random) -> None:
            fields[column] = "x" + fields[column][1:]

        return change

    ends = [Corruption((codes.END_NOT_AFTER_START,), change) for change in (end_at_start, swap)]
    pickup = at("pickup_location")
    with_missing = _both(ends[0], _of_column(pickup, RENTALS.columns[pickup])[0])
    overlapping = Corruption((codes.OVERLAPPING_VEHICLE_RENTAL,), book_again, repeats=True)
    return [*ends, with_missing, overlapping] + [
        Corruption((code,), unknown(at(name)))
        for code, name in (
            (codes.UNKNOWN_USER, "user_id"),
            (codes.UNKNOWN_VEHICLE, "vehicle_id"),
            (codes.UNKNOWN_LOCATION, "pickup_location"),
            (codes.UNKNOWN_LOCATION, "dropoff_location"),
        )
    ]


# Malformed: here the fields are those of the written record. What follows a quote must never be a
# comma or a line's end, or a quote that is left open before would find its close there.


def _drop_field(fields: Fields, _: Sequence[str], rng: Random) -> None:
    del fields[rng.randrange(len(fields))]


def _add_field(fields: Fields, _: Sequence[str], rng: Random) -> None:
    fields.insert(rng.randrange(len(fields) + 1), rng.choice(("", "more")))


def _requote(pattern: str) -> Change:
    def change(fields: Fields, _: Sequence[str], rng: Random) -> None:
        unquoted = [at for at, field in enumerate(fields) if field and '"' not in field]
        at = rng.choice(unquoted)
        fields[at] = pattern.format(fields[at])

    return change


_MALFORMED = (_drop_field, _add_field, _requote('{0}"{0}'), _requote('"{0}"{0}'), _requote('"{0}'))
