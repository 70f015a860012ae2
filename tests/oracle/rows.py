"""Section 3 of the contract: every record is accepted or rejected."""

import codecs
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from .contract import RENTALS, Dataset, RefusedFileError
from .records import Record, records
from .values import hours

Row = dict[str, Any]


class _Judged(NamedTuple):
    """A record with its raw texts in contract order (none when malformed), values and reasons."""

    record: Record
    raw: tuple[str, ...]
    typed: Row
    reasons: list[str]


@dataclass
class Sorted:
    """The rows of one dataset, each list in the order of the file."""

    accepted: list[Row] = field(default_factory=list)
    rejected: list[Row] = field(default_factory=list)


def sort_out(folder: Path, dataset: Dataset) -> Sorted:
    """Read a dataset's file and part the accepted rows from the rejected ones."""
    found = _records_of(folder / dataset.file, multiline=dataset.multiline)
    header = found[0].fields if found else None
    if header is None:
        raise RefusedFileError(f"{dataset.file}: no header")
    if len(found) == 1:
        raise RefusedFileError(f"{dataset.file}: no data row")
    places = _places(header, dataset)
    rows = [_judge(record, len(header), places, dataset) for record in found[1:]]
    _mark_duplicates(rows, dataset.key)
    result = Sorted()
    for row in rows:
        if row.reasons:
            result.rejected.append(_rejected(row, dataset))
        else:
            result.accepted.append(row.typed)
    return result


def _records_of(path: Path, *, multiline: bool) -> list[Record]:
    try:
        text = path.read_bytes().removeprefix(codecs.BOM_UTF8).decode("utf-8")
    except UnicodeDecodeError as error:
        raise RefusedFileError(f"{path.name}: not UTF-8") from error
    return list(records(text, multiline=multiline))


def _places(header: list[str], dataset: Dataset) -> list[int]:
    """Return the position of each contract column."""
    names = [name.strip(" \t").lower() for name in header]
    for column in dataset.columns:
        if names.count(column.name) != 1:
            found = "named twice" if column.name in names else "missing"
            raise RefusedFileError(f"{dataset.file}: column {column.name} is {found}")
    return [names.index(column.name) for column in dataset.columns]


def _judge(record: Record, width: int, places: list[int], dataset: Dataset) -> _Judged:
    if record.fields is None or len(record.fields) != width:
        return _Judged(record, (), {}, ["malformed_row"])
    fields = record.fields
    raw = tuple([fields[place] for place in places])
    typed: Row = {}
    reasons: list[str] = []
    for (name, required, read), untrimmed in zip(dataset.columns, raw, strict=True):
        text = untrimmed.strip(" \t")
        typed[name] = value = read(text) if text else None
        if text and value is None:
            reasons.append(f"invalid_{name}")
        elif required and not text:
            reasons.append(f"missing_{name}")
    if dataset is RENTALS:
        reasons += _derive(typed)
    return _Judged(record, raw, typed, reasons)


def _derive(rental: Row) -> list[str]:
    """Add the derived columns, or return why they cannot be."""
    start: datetime | None = rental["rental_start_time"]
    end: datetime | None = rental["rental_end_time"]
    if start is None or end is None:
        return []
    if end <= start:
        return ["end_not_after_start"]
    lasted = end - start
    seconds = lasted.days * 86400 + lasted.seconds
    rental["rental_duration_seconds"] = seconds
    rental["rental_duration_hours"] = hours(seconds)
    rental["rental_date"] = start.date()
    return []


def _mark_duplicates(rows: list[_Judged], key: str) -> None:
    """Of the valid rows with one key, leave the one whose raw texts come first unmarked."""
    groups: dict[str, list[_Judged]] = {}
    for row in rows:
        if not row.reasons:
            groups.setdefault(row.typed[key], []).append(row)
    for group in groups.values():
        kept = min(group, key=lambda row: row.raw)
        for row in group:
            if row is not kept:
                row.reasons.append(f"duplicate_{key}")


def _rejected(row: _Judged, dataset: Dataset) -> Row:
    names = [column.name for column in dataset.columns]
    texts = dict(zip(names, row.raw, strict=True)) if row.raw else dict.fromkeys(names)
    raw_record = None if row.raw else row.record.raw
    return {**texts, "raw_record": raw_record, "reject_reasons": sorted(row.reasons)}
