"""The pointer: which run readers see, decided in the ledger and shown by one object.

The ledger's item `pointer` says which run may have it. A run takes it unless one that was claimed
later has it, whichever ends first; so the last state is the same in every order. `published_at`
only grows, since the views show the newest object in `published_runs/`. Going back by hand is one
more object, of an older run with a newer time; the ledger need not know, for the next run's time is
newer still.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from datetime import timedelta
from typing import TYPE_CHECKING

from contract.layout import PUBLISHED_RUNS_PREFIX, publication_key
from contract.reports import TransformationReport
from pipeline.clock import format_utc, parse_utc, utc_now
from pipeline.errors import InvalidPointerError, RetryableError
from pipeline.ledger.batch import Run
from pipeline.ledger.table import LedgerTable

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

_ITEM = "pointer"
_TRIES = 10


@dataclass(frozen=True)
class Pointer:
    """Who has the pointer: times are ISO 8601 in UTC, `key` is the object that shows the run."""

    run_id: str
    claimed_at: str
    published_at: str
    key: str


def claim_pointer(ledger: LedgerTable, run: Run) -> Pointer:
    """Take the pointer for the run if it may have it; the pointer as it is then.

    It is another run's if that was claimed later. The same run gets the same pointer again.
    """
    for _ in range(_TRIES):
        held = _held(ledger)
        if held and (held.run_id == run.run_id or held.claimed_at > run.claimed_at):
            return held
        mine = _next(held, run)
        if _move(ledger, held, mine):
            return mine
        # Another run moved it in between: look again.
    raise RetryableError(f"the pointer was moved by others {_TRIES} times in a row")


def published_run_id(s3: S3Client, bucket: str) -> str | None:
    """The run that readers see; null if none was ever published.

    InvalidPointerError if the newest object, which people may have written, names no run.
    """
    pages = s3.get_paginator("list_objects_v2").paginate(
        Bucket=bucket, Prefix=PUBLISHED_RUNS_PREFIX
    )
    newest = max((entry["Key"] for page in pages for entry in page.get("Contents", [])), default="")
    if not newest:
        return None
    text = s3.get_object(Bucket=bucket, Key=newest)["Body"].read()
    try:
        return str(json.loads(text)["run_id"])
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidPointerError(f"{newest} is no pointer: {error}") from error


def write_publication(
    s3: S3Client, bucket: str, pointer: Pointer, batch: str, report: TransformationReport
) -> None:
    """Put the object that turns readers to the run; the same content each time."""
    s3.put_object(
        Bucket=bucket,
        Key=pointer.key,
        Body=_content(pointer, batch, report).encode(),
        ContentType="application/json",
    )


def _held(table: LedgerTable) -> Pointer | None:
    item = table.get(_ITEM)
    return Pointer(**{field.name: item[field.name] for field in fields(Pointer)}) if item else None


def _next(held: Pointer | None, run: Run) -> Pointer:
    published_at = utc_now()
    if held:
        # Clocks differ between machines; the order of publishing does not.
        after = parse_utc(held.published_at) + timedelta(microseconds=1)
        published_at = max(published_at, format_utc(after))
    key = publication_key(published_at, run.run_id)
    return Pointer(run.run_id, run.claimed_at, published_at, key)


def _move(table: LedgerTable, held: Pointer | None, to: Pointer) -> bool:
    """One conditional update; false if the pointer is no longer as it was seen."""
    names = asdict(to)
    values = {f":{name}": value for name, value in names.items()}
    if held:
        values[":seen"] = held.published_at
    return table.update(
        _ITEM,
        "SET " + ", ".join(f"#{name} = :{name}" for name in names),
        "#published_at = :seen" if held else "attribute_not_exists(#published_at)",
        names={f"#{name}": name for name in names},
        values=values,
    )


def _content(pointer: Pointer, batch: str, report: TransformationReport) -> str:
    """One line, as the table `published_runs` reads it; the most frequent reasons first."""
    reasons = sorted(
        (
            (rows, dataset, reason)
            for dataset, counts in report.datasets.items()
            for reason, rows in counts.reasons.items()
        ),
        reverse=True,
    )
    content = {
        "run_id": pointer.run_id,
        "batch": batch,
        "claimed_at": pointer.claimed_at,
        "published_at": pointer.published_at,
        "accepted_revenue": report.accepted_revenue,
        "datasets": [
            {
                "dataset": name,
                "read": counts.read,
                "accepted": counts.accepted,
                "rejected": counts.rejected,
            }
            for name, counts in report.datasets.items()
        ],
        "reasons": [
            {"dataset": dataset, "reason": reason, "rows": rows}
            for rows, dataset, reason in reasons
        ],
        "warnings": [
            {"warning": warning, "rows": rows} for warning, rows in report.warnings.items()
        ],
    }
    return json.dumps(content) + "\n"
