"""Which run readers see now, and which ones they saw before.

The publication records are the log of what readers saw. A record of a run that readers have seen
before is a rollback, or takes a rollback back. The runs before the published one are therefore
those of a browser's history: going back to a run forgets the runs after it. So the run before the
published one is never one that was rolled back from.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from cli.exit_codes import CommandError
from cli.target.target import Target
from contract.layout import PUBLISHED_RUNS_PREFIX

# The name of a record that the pipeline or `./run rollback` has written: its time, and a run ID.
# A record under any other name was written by hand, and only its content tells the run.
_NAME = re.compile(
    r"(?P<date>\d{4}-\d\d-\d\dT\d\d)-(?P<minutes>\d\d)-(?P<seconds>\d\d\.\d{6}Z)"
    r"-(?P<run_id>[A-Za-z0-9-]+-[0-9a-f]{20}(-\d+)?)\.json"
)
# Of the newest records, the content counts, which is what readers see.
_READ_RECORDS = 10
_THREADS = 8


@dataclass(frozen=True)
class Publication:
    """A publication record.

    Attributes:
        key: Key of the object.
        run_id: ID of the run.
        published_at: Time of the publication, as text that sorts chronologically.
    """

    key: str
    run_id: str
    published_at: str


@dataclass(frozen=True)
class Publications:
    """All publication records of a bucket, oldest first."""

    records: Sequence[Publication]
    _before: dict[str, str | None] = field(init=False, repr=False, default_factory=dict)
    _seen: list[str] = field(init=False, repr=False, default_factory=list)

    def __post_init__(self) -> None:
        """Follow the records: which runs readers would see by going back, newest last."""
        for record in self.records:
            if record.run_id in self._seen:
                del self._seen[self._seen.index(record.run_id) + 1 :]
            else:
                self._before[record.run_id] = self._seen[-1] if self._seen else None
                self._seen.append(record.run_id)

    @property
    def published(self) -> str | None:
        """ID of the run that readers see now, or `None` if no run was ever published."""
        return self._seen[-1] if self._seen else None

    @property
    def previous(self) -> str | None:
        """ID of the run that readers saw before the published one, or `None`."""
        return self.get_run_before(self.published) if self.published else None

    def get_run_before(self, run_id: str) -> str | None:
        """Return the run that readers saw before a run was published, or `None`."""
        return self._before.get(run_id)

    def list_of_run(self, run_id: str) -> list[Publication]:
        """Return the records of a run, oldest first. It is empty for a run never published."""
        return [record for record in self.records if record.run_id == run_id]


def read_publications(target: Target) -> Publications:
    """Read which runs were published, and when.

    Raises:
        CommandError: A record is not valid.
    """
    pages = target.client("s3").get_paginator("list_objects_v2")
    keys = [
        entry["Key"]
        for page in pages.paginate(Bucket=target.bucket, Prefix=PUBLISHED_RUNS_PREFIX)
        for entry in page.get("Contents", [])
        if entry["Size"]  # an empty object prevents a record, and is none
    ]
    named = {key: _parse_key(key) for key in keys}
    newest = set(sorted(keys)[-_READ_RECORDS:])
    records = [record for key, record in named.items() if record and key not in newest]
    to_read = [key for key, record in named.items() if not record or key in newest]
    with ThreadPoolExecutor(_THREADS) as threads:
        records += threads.map(lambda key: _read(target, key), to_read)
    return Publications(sorted(records, key=lambda record: record.published_at))


def read_record(target: Target, key: str) -> dict[str, Any]:
    """Return the content of a publication record.

    Raises:
        CommandError: The object is not a valid record.
    """
    text = target.client("s3").get_object(Bucket=target.bucket, Key=key)["Body"].read()
    try:
        content: dict[str, Any] = json.loads(text)
        if isinstance(content["run_id"], str) and isinstance(content["published_at"], str):
            return content
    except (ValueError, KeyError, TypeError):
        pass
    raise CommandError(
        f"s3://{target.bucket}/{key} is not a valid publication record: correct it or delete it"
    )


def _read(target: Target, key: str) -> Publication:
    content = read_record(target, key)
    return Publication(key, content["run_id"], content["published_at"])


def _parse_key(key: str) -> Publication | None:
    match = _NAME.fullmatch(key.removeprefix(PUBLISHED_RUNS_PREFIX))
    if match is None:
        return None
    published_at = f"{match['date']}:{match['minutes']}:{match['seconds']}"
    return Publication(key, match["run_id"], published_at)
