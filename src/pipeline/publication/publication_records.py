"""The publication records in the bucket: which run readers see, and when it was published.

The views show the run of the record with the latest `published_at`. An operator rolls back by
adding a record, with the time of a different clock. A record of the pipeline is written once, under
a key of its own. Another run can prevent that by writing an empty object under the same key, which
contains no row for readers: S3 accepts only one of the two.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from contract.layout import PUBLISHED_RUNS_PREFIX
from contract.reports import TransformationReport
from pipeline.aws.clients import error_code
from pipeline.aws.objects import write_if_absent
from pipeline.clock import format_utc
from pipeline.errors import InvalidPublicationRecordError
from pipeline.ledger.batch import Run
from pipeline.publication.day_changes import DayChanges, parse_day_changes

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
    from types_boto3_s3.type_defs import ObjectTypeDef

# The time at the beginning of a key. A key has no colons, which some tools do not accept.
_KEY_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d)[-:](\d\d)[-:](\d\d(?:\.\d+)?Z)")
# How many records an operator can add between two runs without hiding the next one.
_MAX_READ_RECORDS = 10


@dataclass(frozen=True)
class PublicationRecord:
    """What the pipeline reads from a publication record.

    Attributes:
        run_id: ID of the run.
        published_at: Time of the publication, as the record contains it.
        batch: Prefix of the batch. Empty if the record does not name it.
        changes: The days that differ from the run that was published before. None if the record
            was written before records contained them.
    """

    run_id: str
    published_at: str
    batch: str = ""
    changes: DayChanges | None = None


@dataclass(frozen=True)
class PublicationRecords:
    """The publication records of a bucket.

    Attributes:
        s3: The S3 client.
        bucket: Name of the data bucket.
    """

    s3: S3Client
    bucket: str

    def read_published(self) -> PublicationRecord | None:
        """Return the record of the run that readers see, or None if no run was ever published.

        Raises:
            InvalidPublicationRecordError: A record among the newest ones is invalid.
        """
        records = self._read_newest(self._list_objects())
        return max(records, key=lambda record: record.published_at, default=None)

    def read_published_run_id(self) -> str | None:
        """Return the ID of the run that readers see, or None if no run was ever published.

        Raises:
            InvalidPublicationRecordError: A record among the newest ones is invalid.
        """
        published = self.read_published()
        return published.run_id if published else None

    def read(self, key: str) -> PublicationRecord:
        """Return the record under a key.

        Raises:
            InvalidPublicationRecordError: The record is invalid.
        """
        text = self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        try:
            content = json.loads(text)
            record = PublicationRecord(
                str(content["run_id"]),
                str(content["published_at"]),
                str(content.get("batch") or ""),
                parse_day_changes(content),
            )
            get_later_time(record.published_at)
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
            raise InvalidPublicationRecordError(
                f"{key} is not a valid publication record ({type(error).__name__}: {error}):"
                " correct it or delete it"
            ) from error
        return record

    def has_record_of(self, run_id: str) -> bool:
        """Return whether a run was ever published, even if readers see another run now."""
        return any(_names_run(entry["Key"], run_id) for entry in self._list_objects())

    def get_next_time(self, not_before: str) -> str:
        """Return a time that is later than that of each record, whatever clock wrote it.

        Args:
            not_before: The earliest time to return, as `format_utc` writes it.

        Raises:
            InvalidPublicationRecordError: A record among the newest ones is invalid.
        """
        objects = self._list_objects()
        times = [get_later_time(record.published_at) for record in self._read_newest(objects)]
        times += [time for entry in objects if (time := _get_time_after_key(entry["Key"]))]
        return max([not_before, *times])

    def is_written(self, key: str) -> bool:
        """Return whether a record exists under a key. An empty object is no record."""
        try:
            return bool(self.s3.head_object(Bucket=self.bucket, Key=key)["ContentLength"])
        except ClientError as error:
            if error_code(error) != "404":
                raise
            return False

    def write(self, key: str, text: str) -> bool:
        """Write a record, which shows its run to readers.

        Returns:
            Whether the record exists. If another run has prevented it, it will never exist.

        Raises:
            RetryableError: Another request is writing the object at the same time.
        """
        return write_if_absent(
            self.s3, self.bucket, key, text, "application/json"
        ) or self.is_written(key)

    def prevent(self, key: str) -> bool:
        """Prevent that a record is ever written under a key.

        Returns:
            Whether the record does not exist. Otherwise, it was written before.

        Raises:
            RetryableError: Another request is writing the object at the same time.
        """
        return write_if_absent(
            self.s3, self.bucket, key, "", "application/json"
        ) or not self.is_written(key)

    def _list_objects(self) -> list[ObjectTypeDef]:
        """Return the objects that contain records."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=PUBLISHED_RUNS_PREFIX
        )
        return [entry for page in pages for entry in page.get("Contents", []) if entry["Size"]]

    def _read_newest(self, objects: list[ObjectTypeDef]) -> list[PublicationRecord]:
        """Read the records that were written last, and those with the latest keys.

        Each record of the pipeline is later than all before it, so the latest record is among
        these, even if an operator wrote it with another time or under another key.
        """
        by_time = sorted(objects, key=lambda entry: entry["LastModified"])[-_MAX_READ_RECORDS:]
        by_key = sorted(objects, key=lambda entry: entry["Key"])[-_MAX_READ_RECORDS:]
        return [self.read(key) for key in sorted({entry["Key"] for entry in by_time + by_key})]


def _get_time_after_key(key: str) -> str | None:
    """Return a time that is later than the one in a key, or None if the key has no time."""
    match = _KEY_TIME.match(key.removeprefix(PUBLISHED_RUNS_PREFIX))
    if match is None:
        return None
    try:
        return get_later_time(f"{match[1]}:{match[2]}:{match[3]}")
    except (ValueError, OverflowError):
        return None


def _names_run(key: str, run_id: str) -> bool:
    """Return whether the pipeline writes the record of a run under a key."""
    name = key.removeprefix(PUBLISHED_RUNS_PREFIX)
    match = _KEY_TIME.match(name)
    return match is not None and name[match.end() :] == f"-{run_id}.json"


def get_later_time(text: str) -> str:
    """Return a time that is later than another one, for a reader who compares them as text.

    Args:
        text: A time in ISO 8601, in any precision and time zone.

    Returns:
        The time, as `format_utc` writes it.

    Raises:
        ValueError: The text is not such a time, or it sorts after all later times.
    """
    time = datetime.fromisoformat(text)
    time = time if time.tzinfo else time.replace(tzinfo=UTC)
    # As text, 08:00:00Z is later than 08:00:00.5Z, and local times sort by their local hour.
    for step in (timedelta(microseconds=1), timedelta(seconds=1), timedelta(days=1)):
        later = format_utc(time + step)
        if later > text:
            return later
    raise ValueError(f"{text!r} sorts after all later times: write it as {format_utc(time)}")


def format_record(
    run: Run,
    published_at: str,
    report: TransformationReport,
    changes: DayChanges,
    rollback_reason: str | None = None,
) -> str:
    """Return a record as one line, as the table `published_runs` requires.

    The most frequent reject reasons come first.

    Args:
        run: The run.
        published_at: Time of the publication.
        report: What the run counted.
        changes: The days that differ from the run that readers see before this publication.
        rollback_reason: Why somebody publishes the run again. None if the pipeline publishes it.
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
        "run_id": run.run_id,
        "batch": run.batch,
        "claimed_at": run.claimed_at,
        "published_at": published_at,
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
        **changes.to_fields(),
        "rollback_reason": rollback_reason,
    }
    return json.dumps(content) + "\n"
