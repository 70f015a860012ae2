"""Separation of records into accepted and rejected rows."""

import codecs
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from .contract import RENTALS, Dataset, RejectedFileError
from .records import Record, parse_records
from .values import to_hours

Row = dict[str, Any]


class _ValidatedRow(NamedTuple):
    """A record after validation.

    Attributes:
        record: The record.
        raw: The raw fields in the order of the contract; empty if the record is malformed.
        values: The parsed fields by column name.
        reasons: The reject codes; empty for a valid row.
    """

    record: Record
    raw: tuple[str, ...]
    values: Row
    reasons: list[str]


@dataclass
class DatasetRows:
    """The rows of a dataset, in the order of the file."""

    accepted: list[Row] = field(default_factory=list)
    rejected: list[Row] = field(default_factory=list)


def read_dataset(folder: Path, dataset: Dataset) -> DatasetRows:
    """Read a dataset's file and separate the accepted rows from the rejected rows."""
    records = _read_records(folder / dataset.file, multiline=dataset.multiline)
    header = records[0].fields if records else None
    if header is None:
        raise RejectedFileError(f"{dataset.file}: no header")
    if len(records) == 1:
        raise RejectedFileError(f"{dataset.file}: no data row")
    positions = _find_columns(header, dataset)
    rows = [_validate(record, len(header), positions, dataset) for record in records[1:]]
    _mark_duplicates(rows, dataset.key)
    result = DatasetRows()
    for row in rows:
        if row.reasons:
            result.rejected.append(_build_rejected_row(row, dataset))
        else:
            result.accepted.append(row.values)
    return result


def _read_records(path: Path, *, multiline: bool) -> list[Record]:
    try:
        text = path.read_bytes().removeprefix(codecs.BOM_UTF8).decode("utf-8")
    except UnicodeDecodeError as error:
        raise RejectedFileError(f"{path.name}: not UTF-8") from error
    return list(parse_records(text, multiline=multiline))


def _find_columns(header: list[str], dataset: Dataset) -> list[int]:
    """Return the position of each column in the header."""
    names = [name.strip(" \t").lower() for name in header]
    repeated = {name for name, count in Counter(names).items() if name and count > 1}
    if repeated:
        raise RejectedFileError(f"{dataset.file}: duplicate columns {sorted(repeated)}")
    for column in dataset.columns:
        if column.name not in names:
            raise RejectedFileError(f"{dataset.file}: missing column `{column.name}`")
    return [names.index(column.name) for column in dataset.columns]


def _validate(record: Record, width: int, positions: list[int], dataset: Dataset) -> _ValidatedRow:
    if record.fields is None or len(record.fields) != width:
        return _ValidatedRow(record, (), {}, ["malformed_row"])
    fields = record.fields
    raw = tuple([fields[position] for position in positions])
    values: Row = {}
    reasons: list[str] = []
    for (name, required, parse), untrimmed in zip(dataset.columns, raw, strict=True):
        text = untrimmed.strip(" \t")
        values[name] = value = parse(text) if text else None
        if text and value is None:
            reasons.append(f"invalid_{name}")
        elif required and not text:
            reasons.append(f"missing_{name}")
    if dataset is RENTALS:
        reasons += _add_derived_columns(values)
    return _ValidatedRow(record, raw, values, reasons)


def _add_derived_columns(rental: Row) -> list[str]:
    """Add the derived columns. Return the reject codes if the times do not allow that."""
    start: datetime | None = rental["rental_start_time"]
    end: datetime | None = rental["rental_end_time"]
    if start is None or end is None:
        return []
    if end <= start:
        return ["end_not_after_start"]
    duration = end - start
    seconds = duration.days * 86400 + duration.seconds
    rental["rental_duration_seconds"] = seconds
    rental["rental_duration_hours"] = to_hours(seconds)
    rental["rental_date"] = start.date()
    return []


def _mark_duplicates(rows: list[_ValidatedRow], key: str) -> None:
    """Add a reject code to all but the first of the valid rows that share a key.

    Rows are ordered by their raw text.
    """
    groups: dict[str, list[_ValidatedRow]] = {}
    for row in rows:
        if not row.reasons:
            groups.setdefault(row.values[key], []).append(row)
    for group in groups.values():
        first = min(group, key=lambda row: row.raw)
        for row in group:
            if row is not first:
                row.reasons.append(f"duplicate_{key}")


def _build_rejected_row(row: _ValidatedRow, dataset: Dataset) -> Row:
    names = [column.name for column in dataset.columns]
    texts = dict(zip(names, row.raw, strict=True)) if row.raw else dict.fromkeys(names)
    raw_record = None if row.raw else row.record.raw
    return {**texts, "raw_record": raw_record, "reject_reasons": sorted(row.reasons)}
