"""The pointer to the published run: an item of the ledger, and the newest publication record.

The item `pointer` of the ledger decides which run is published: the run that was claimed last,
no matter which run finishes first. The result is therefore the same for every order of events. The
publication record in `published_runs/` shows this run to readers. `published_at` always increases,
because the views show the run of the record with the latest time.

To roll back, an operator adds a record of an earlier run with the current time. The ledger does not
need to know about it: the time of the next published run is later.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from datetime import timedelta
from typing import TYPE_CHECKING

from contract.layout import PUBLISHED_RUNS_PREFIX, publication_key
from contract.reports import TransformationReport
from pipeline.clock import format_utc, parse_utc, utc_now
from pipeline.errors import InvalidPublicationRecordError, RetryableError
from pipeline.ledger.batch import Run
from pipeline.ledger.keys import POINTER
from pipeline.ledger.table import LedgerTable

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

_MAX_ATTEMPTS = 10


@dataclass(frozen=True)
class Pointer:
    """The pointer as the ledger stores it.

    Attributes:
        run_id: ID of the published run.
        claimed_at: Time of the run's claim, ISO 8601 in UTC.
        published_at: Time of the publication, ISO 8601 in UTC.
        key: Key of the publication record.
    """

    run_id: str
    claimed_at: str
    published_at: str
    key: str


def update_pointer(ledger: LedgerTable, run: Run) -> Pointer:
    """Move the pointer to a run, unless it already names this run or one that was claimed later.

    Args:
        ledger: The table that has the pointer.
        run: The run to publish.

    Returns:
        The pointer after the update. It names another run if that one was claimed later.

    Raises:
        RetryableError: Other runs moved the pointer during every attempt.
    """
    for _ in range(_MAX_ATTEMPTS):
        current = _read_pointer(ledger)
        if current and (current.run_id == run.run_id or current.claimed_at > run.claimed_at):
            return current
        new = _create_pointer(run, current)
        if _replace_pointer(ledger, current, new):
            return new
        # Another run moved the pointer since it was read: read it again.
    raise RetryableError(
        f"the pointer was not moved to {run.run_id}: other runs moved it during each of"
        f" {_MAX_ATTEMPTS} attempts"
    )


def read_published_run_id(s3: S3Client, bucket: str) -> str | None:
    """Return the ID of the run that readers see, or None if no run was ever published.

    Args:
        s3: The S3 client.
        bucket: Name of the data bucket.

    Raises:
        InvalidPublicationRecordError: The newest publication record does not name a run. An
            operator may have written it.
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
        raise InvalidPublicationRecordError(
            f"{newest} is not a valid publication record ({type(error).__name__}: {error}):"
            " correct it or delete it"
        ) from error


def write_publication_record(
    s3: S3Client, bucket: str, pointer: Pointer, batch: str, report: TransformationReport
) -> None:
    """Write the publication record, which shows the run to readers.

    Args:
        s3: The S3 client.
        bucket: Name of the data bucket.
        pointer: The pointer to the run. The same pointer leads to the same record.
        batch: Prefix of the run's batch.
        report: What the run counted.
    """
    s3.put_object(
        Bucket=bucket,
        Key=pointer.key,
        Body=_format_record(pointer, batch, report).encode(),
        ContentType="application/json",
    )


def _read_pointer(ledger: LedgerTable) -> Pointer | None:
    item = ledger.get(POINTER)
    return Pointer(**{field.name: item[field.name] for field in fields(Pointer)}) if item else None


def _create_pointer(run: Run, current: Pointer | None) -> Pointer:
    published_at = utc_now()
    if current:
        # The clocks of two machines differ, but times of publication must increase.
        next_time = parse_utc(current.published_at) + timedelta(microseconds=1)
        published_at = max(published_at, format_utc(next_time))
    key = publication_key(published_at, run.run_id)
    return Pointer(run.run_id, run.claimed_at, published_at, key)


def _replace_pointer(ledger: LedgerTable, current: Pointer | None, new: Pointer) -> bool:
    """Write the new pointer if the current one has not changed. Return whether it was written."""
    attributes = asdict(new)
    values = {f":{name}": value for name, value in attributes.items()}
    if current:
        values[":current"] = current.published_at
    return ledger.update(
        POINTER,
        "SET " + ", ".join(f"#{name} = :{name}" for name in attributes),
        "#published_at = :current" if current else "attribute_not_exists(#published_at)",
        names={f"#{name}": name for name in attributes},
        values=values,
    )


def _format_record(pointer: Pointer, batch: str, report: TransformationReport) -> str:
    """Return the record as one line, as the table `published_runs` requires.

    The most frequent reject reasons come first.
    """
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
