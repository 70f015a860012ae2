"""The pointer to the published run: it decides which run readers see.

Two writes publish a run: the item `pointer` of the ledger names the run and the key of its
publication record, and then the record shows the run to readers. The run that was claimed last is
published, no matter which run finishes first, so the result is the same for every order of events.

A run can crash between the two writes. Therefore, a run supersedes another one only if its record
exists. A run that finds the item of another one waits for the record, and then prevents it: either
the record was written, or it never will be. Before the item is replaced, it keeps the published run
with the latest claim.

The views show the run of the record with the latest `published_at`, so this time always increases.
To roll back, an operator adds a record of an earlier run. The ledger does not need to know about
it: the time of the next published run is later.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from typing import Any

from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from contract.layout import publication_key
from contract.reports import TransformationReport
from pipeline.clock import utc_now
from pipeline.errors import RetryableError
from pipeline.ledger.batch import Run
from pipeline.ledger.keys import POINTER
from pipeline.ledger.table import LedgerTable
from pipeline.publication.day_changes import DayChanges
from pipeline.publication.publication_records import (
    PublicationRecord,
    PublicationRecords,
    format_record,
    get_later_time,
)

_MAX_ATTEMPTS = 10
# A function writes the record immediately after the item. If it takes longer than this, the record
# is prevented, and the function tries again, if it still runs.
_RECORD_TIMEOUT_SECONDS = 10
_POLL_SECONDS = 0.5
_CONFIRMED = "confirmed"


@dataclass(frozen=True)
class Pointer:
    """A run that is published, or is being published.

    Attributes:
        run_id: ID of the run.
        claimed_at: Time of the run's claim, ISO 8601 in UTC.
        published_at: Time of the publication, ISO 8601 in UTC.
        key: Key of the publication record.
    """

    run_id: str
    claimed_at: str
    published_at: str
    key: str


@dataclass(frozen=True)
class _Item:
    """The item of the ledger.

    Attributes:
        current: The run that moved the pointer last. Its record may not exist.
        confirmed: Of the runs before it whose record exists, the one that was claimed last.
    """

    current: Pointer
    confirmed: Pointer | None


def publish_run(
    ledger: LedgerTable,
    records: PublicationRecords,
    run: Run,
    report: TransformationReport,
    compare_days: Callable[[PublicationRecord | None], DayChanges],
) -> Pointer:
    """Publish a run, unless a run that was claimed later is published. Repeating it is safe.

    Args:
        ledger: The table that has the pointer.
        records: The publication records.
        run: The run to publish.
        report: What the run counted.
        compare_days: Compares the days of the run with those of the run that readers see, if there
            is one. It is called before anything is written, because the record has to be written
            immediately after the pointer has moved.

    Returns:
        The pointer to the published run, which is another one if that was claimed later.

    Raises:
        InvalidPublicationRecordError: A record among the newest ones is invalid.
        RetryableError: Other runs moved the pointer during every attempt.
    """
    for _ in range(_MAX_ATTEMPTS):
        item = _read_item(ledger)
        published = _find_published(records, item, run) if item else None
        if published and (published.run_id == run.run_id or published.claimed_at > run.claimed_at):
            return published
        changes = compare_days(records.read_published())
        new = _create_pointer(records, run, item)
        if _replace_item(ledger, item, _Item(new, published)) and records.write(
            new.key, format_record(run, new.published_at, report, changes)
        ):
            return new
        # Another run moved the pointer since it was read, or prevented the record: read it again.
    raise RetryableError(
        f"the pointer was not moved to {run.run_id}: other runs moved it during each of"
        f" {_MAX_ATTEMPTS} attempts"
    )


def _find_published(records: PublicationRecords, item: _Item, run: Run) -> Pointer | None:
    """Return the run with the latest claim whose record exists, or None if there is none.

    If the record of the current run does not exist, it never will, unless it is this run.
    """
    key = item.current.key
    if item.current.run_id == run.run_id:
        is_written = records.is_written(key)
    else:
        is_written = _wait_for_record(records, key) or not records.prevent(key)
    candidates = [item.current if is_written else None, item.confirmed]
    # Of two runs with the same claim, one repeats the other, and the current one is the repetition.
    return max(filter(None, candidates), key=lambda pointer: pointer.claimed_at, default=None)


def _wait_for_record(records: PublicationRecords, key: str) -> bool:
    retrying = Retrying(
        retry=retry_if_result(lambda is_written: not is_written),
        wait=wait_fixed(_POLL_SECONDS),
        stop=stop_after_delay(_RECORD_TIMEOUT_SECONDS),
        retry_error_callback=lambda _: False,
    )
    return bool(retrying(records.is_written, key))


def _create_pointer(records: PublicationRecords, run: Run, item: _Item | None) -> Pointer:
    published_at = records.get_next_time(utc_now())
    if item:
        # The clocks of two machines differ, but times of publication must increase.
        published_at = max(published_at, get_later_time(item.current.published_at))
    key = publication_key(published_at, run.run_id)
    return Pointer(run.run_id, run.claimed_at, published_at, key)


def _read_item(ledger: LedgerTable) -> _Item | None:
    attributes = ledger.get(POINTER)
    if not attributes:
        return None
    confirmed = attributes.get(_CONFIRMED)
    return _Item(_parse_pointer(attributes), _parse_pointer(confirmed) if confirmed else None)


def _parse_pointer(attributes: dict[str, Any]) -> Pointer:
    return Pointer(**{field.name: attributes[field.name] for field in fields(Pointer)})


def _replace_item(ledger: LedgerTable, old: _Item | None, new: _Item) -> bool:
    """Write the new item if the old one has not changed. Return whether it was written."""
    attributes: dict[str, Any] = asdict(new.current)
    attributes[_CONFIRMED] = asdict(new.confirmed) if new.confirmed else None
    values = {f":{name}": value for name, value in attributes.items()}
    if old:
        values[":old"] = old.current.published_at
    return ledger.update(
        POINTER,
        "SET " + ", ".join(f"#{name} = :{name}" for name in attributes),
        "#published_at = :old" if old else "attribute_not_exists(#published_at)",
        names={f"#{name}": name for name in attributes},
        values=values,
    )
