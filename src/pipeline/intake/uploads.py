"""One dropped object: what it is, and whether it can be used (data contract, section 1)."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from contract.datasets import Dataset
from contract.file_check import HEAD_BYTES, FileCheck, check_head
from pipeline.aws.clients import error_code
from pipeline.clock import format_utc
from pipeline.errors import UnreadableUploadError
from pipeline.ledger.batch import BatchFile

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

# The last is a delete marker.
_GONE = {"NoSuchKey", "NoSuchVersion", "404", "MethodNotAllowed"}
# Archived, and encrypted with a key that whoever dropped it kept to themselves.
_UNREADABLE = {"InvalidObjectState", "InvalidRequest"}
_KEY = "kms:"  # names the action that is not allowed: the key is another one than the bucket's


@dataclass(frozen=True)
class Upload:
    """What an Object Created event says; `version_id` is null where the event names none.

    `event_time` is the time of the event, ISO 8601: the same however often the event arrives.
    """

    bucket: str
    key: str
    size: int
    version_id: str | None
    sequencer: str
    event_time: str


@dataclass(frozen=True)
class FileHead:
    """The first bytes of one version of an object; `size` is the whole object's, in bytes."""

    data: bytes
    size: int
    version_id: str
    uploaded_at: str


def read_head(s3: S3Client, upload: Upload) -> FileHead | None:
    """The beginning of the uploaded version, or of the newest where the event names none.

    Null if it is no longer there; UnreadableUploadError if S3 does not let it be read.
    """
    place: dict[str, Any] = {"Bucket": upload.bucket, "Key": upload.key}
    if upload.version_id:
        place["VersionId"] = upload.version_id
    try:
        return _first_bytes(s3, place)
    except ClientError as error:
        if error_code(error) in _GONE:
            return None
        if _is_unreadable(error):
            raise UnreadableUploadError(f"{upload.key} cannot be read: {error}") from error
        if error_code(error) != "InvalidRange":
            raise
    # No range of an empty object can be read.
    answer = s3.get_object(**place)
    return FileHead(b"", 0, answer["VersionId"], format_utc(answer["LastModified"]))


def _is_unreadable(error: ClientError) -> bool:
    """Whether the object itself is the reason, and not a right of ours that is missing."""
    return error_code(error) in _UNREADABLE or (
        error_code(error) == "AccessDenied" and _KEY in str(error)
    )


def _first_bytes(s3: S3Client, place: Mapping[str, Any]) -> FileHead:
    answer = s3.get_object(**place, Range=f"bytes=0-{HEAD_BYTES - 1}")
    # Not all that speaks S3 keeps to the range, so the stream is left at the limit.
    with closing(answer["Body"]) as body:
        data = body.read(HEAD_BYTES)
    size = int(answer.get("ContentRange", "").rpartition("/")[2] or answer["ContentLength"])
    return FileHead(data, size, answer["VersionId"], format_utc(answer["LastModified"]))


def check_upload(dataset: Dataset, upload: Upload, head: FileHead) -> tuple[BatchFile, FileCheck]:
    """The version as the ledger notes it, and what the contract says of it."""
    check = check_head(dataset, head.data, is_complete=head.size <= HEAD_BYTES)
    file = BatchFile(
        dataset=dataset.name,
        key=upload.key,
        version_id=head.version_id,
        size=head.size,
        sequencer=upload.sequencer,
        uploaded_at=head.uploaded_at,
        warnings=check.warnings,
    )
    return file, check
