"""Batches of uploaded files, and the events about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any

import boto3

from handlers.receive_upload import handler
from tests.functional.conftest import Cloud, Context
from tests.support.broken_files import VALID_FILES
from tests.support.events import upload_event

Event = dict[str, Any]
BATCH = "raw/x/"
USERS, VEHICLES, LOCATIONS, RENTALS = VALID_FILES
INVALID = b"not a CSV file"


class Uploader:
    """Uploads files and keeps their events, as S3 does: each upload has a greater sequencer."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._sequencers = count(1)

    def upload(self, file: str, content: bytes | None = None, prefix: str = BATCH) -> Event:
        """Upload a file, by default a valid one, and return its event."""
        key = f"{prefix}{file}"
        version = self._cloud.put(key, VALID_FILES[file] if content is None else content)
        return upload_event(key, f"{next(self._sequencers):04X}", version)

    def upload_batch(self, prefix: str = BATCH, files: Sequence[str] = ()) -> list[Event]:
        """Upload valid files, by default all four, and return their events."""
        return [self.upload(file, prefix=prefix) for file in files or VALID_FILES]

    def delete(self, file: str, version: str | None = None, prefix: str = BATCH) -> str:
        """Delete a file, or one of its versions, and return the version of the delete marker."""
        arguments: dict[str, Any] = {"VersionId": version} if version else {}
        s3 = boto3.client("s3")
        response = s3.delete_object(Bucket=self._cloud.bucket, Key=f"{prefix}{file}", **arguments)
        return str(response.get("VersionId", ""))


def receive(*events: Event) -> list[str]:
    """Process the events, and return the outcome of each."""
    return [handler(event, Context())["outcome"] for event in events]


def get_version(event: Event) -> str:
    """Return the version that an event announces."""
    return str(event["detail"]["object"]["version-id"])


def get_versions(execution: Mapping[str, Any]) -> set[str]:
    """Return the versions in the input of an execution."""
    return {file["version_id"] for file in execution["files"]}
