"""The versions of a batch's files that S3 holds now.

An event is only a hint: it can arrive hours after the upload, twice, or never. S3 itself is
consistent (Amazon S3 User Guide, "Amazon S3 data consistency model").
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from contract.datasets import DATASETS, Dataset
from pipeline.aws.clients import error_code
from pipeline.clock import parse_utc, utc_now
from pipeline.intake.uploads import DELETED_CODES, request_head
from pipeline.ledger.batch import FileVersion
from pipeline.ledger.batch_item import Batch

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

# S3 returns 404 if there is no object, or if its current version is a delete marker, because the
# functions may list the bucket (Amazon S3 API Reference, "HeadObject").
_NOT_FOUND = "404"
_BAD_REQUEST = "400"
# The object is encrypted with a key that only the uploader has (SSE-C), so its version is unknown.
_NEEDS_ENCRYPTION_KEY = "InvalidRequest"
_UNKNOWN_VERSION = "unknown"

MAX_UNRECORDED_AGE = timedelta(days=90)
"""The greatest age of a version that can be recorded although its event has not arrived.

The ledger remembers claimed versions for at least this time after their claim (the minimum of the
template's parameter LedgerRetentionDays). S3 may keep the files longer. An older version that is
not in the ledger may therefore have been part of a run.
"""


@dataclass(frozen=True)
class CurrentVersions:
    """The current versions of the files of one batch.

    Attributes:
        prefix: The batch prefix.
        versions: The current version by dataset name; None for a file that does not exist.
        old: The names of the datasets whose current version is older than MAX_UNRECORDED_AGE.
    """

    prefix: str
    versions: dict[str, str | None]
    old: frozenset[str]

    def find_deleted(self, batch: Batch) -> list[str]:
        """Return the names of the datasets whose recorded file no longer exists.

        That is the case if the file was deleted, or if only its newest version was deleted, so that
        an older version, which was claimed or rejected before, is the current one again.
        """
        return [
            name
            for name, version in self.versions.items()
            if version is None
            or version in batch.claimed_versions
            or (version == batch.last_rejected.get(name) and name not in batch.rejected)
            or (name in self.old and not batch.is_known(name, version))
        ]

    def find_unrecorded(self, batch: Batch) -> list[str]:
        """Return the names of the datasets whose current version is new and not in the ledger."""
        return [
            name
            for name, version in self.versions.items()
            if version is not None and name not in self.old and not batch.is_known(name, version)
        ]


def get_current_versions(s3: S3Client, bucket: str, prefix: str) -> CurrentVersions:
    """Ask S3 for the current version of each file of a batch.

    Args:
        s3: The S3 client.
        bucket: Name of the bucket.
        prefix: The batch prefix.
    """
    versions: dict[str, str | None] = {}
    old = set()
    recent_since = parse_utc(utc_now()) - MAX_UNRECORDED_AGE
    for dataset in DATASETS:
        version = _find_version(s3, bucket, file_key(prefix, dataset))
        versions[dataset.name] = version.version_id if version else None
        if version and version.uploaded_at and version.uploaded_at <= recent_since:
            old.add(dataset.name)
    return CurrentVersions(prefix, versions, frozenset(old))


def version_exists(s3: S3Client, bucket: str, file: FileVersion) -> bool:
    """Return whether S3 still has a version, which need not be the current one."""
    return _find_version(s3, bucket, file.key, {"VersionId": file.version_id}) is not None


def file_key(prefix: str, dataset: Dataset) -> str:
    """Return the key of a dataset's file in a batch."""
    return f"{prefix}{dataset.file}"


@dataclass(frozen=True)
class _Version:
    version_id: str
    uploaded_at: datetime | None  # None if unknown


def _find_version(
    s3: S3Client, bucket: str, key: str, version: Mapping[str, Any] = MappingProxyType({})
) -> _Version | None:
    try:
        response = s3.head_object(Bucket=bucket, Key=key, **version)
    except ClientError as error:
        if error_code(error) == _NOT_FOUND:
            return None
        if error_code(error) == _BAD_REQUEST:
            return _find_version_by_reading(s3, bucket, key, version)
        raise
    return _Version(response["VersionId"], response["LastModified"])


def _find_version_by_reading(
    s3: S3Client, bucket: str, key: str, version: Mapping[str, Any]
) -> _Version | None:
    """Learn from GetObject why HeadObject was refused with the status 400.

    The response to HeadObject has no body. Its status 400 can also mean that the credentials have
    expired, or that the KMS key is disabled (Amazon S3 API Reference, "HeadObject" and "Error
    responses"). GetObject names the cause.

    Raises:
        ClientError: The object is not encrypted with a key of the uploader.
    """
    try:
        response = request_head(s3, {"Bucket": bucket, "Key": key, **version})
    except ClientError as error:
        if error_code(error) == _NEEDS_ENCRYPTION_KEY:
            return _Version(_UNKNOWN_VERSION, None)
        if error_code(error) in DELETED_CODES:
            return None
        raise
    response["Body"].close()
    return _Version(response["VersionId"], response["LastModified"])
