"""Uploads: read the first bytes of a file and check them."""

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
    from types_boto3_s3.type_defs import GetObjectOutputTypeDef

DELETED_CODES = {"NoSuchKey", "NoSuchVersion", "404", "MethodNotAllowed"}
"""The codes of an object that does not exist. MethodNotAllowed: the version is a delete marker."""

# The object is archived, or encrypted with a key that the uploader must provide (SSE-C).
_UNREADABLE_CODES = {"InvalidObjectState", "InvalidRequest"}
# In the message of AccessDenied: the object is encrypted with a KMS key other than the bucket's.
_KMS_ACTION_PREFIX = "kms:"


@dataclass(frozen=True)
class Upload:
    """An upload that an Object Created event announced, or that S3 was found to have.

    Attributes:
        bucket: Name of the bucket.
        key: Key of the object.
        size: Size of the object in bytes.
        version_id: Version of the object. None for the current version.
        order: Position of the version among those of its key, as in `BatchFile.order`.
        event_time: Time of the event, ISO 8601. It is the same each time the event is delivered.
    """

    bucket: str
    key: str
    size: int
    version_id: str | None
    order: str
    event_time: str


@dataclass(frozen=True)
class FileHead:
    """The first bytes of one version of an object.

    Attributes:
        data: The first bytes, or the complete content if it is shorter.
        size: Size of the object in bytes.
        version_id: Version of the object.
        uploaded_at: Time of the upload according to S3, ISO 8601.
    """

    data: bytes
    size: int
    version_id: str
    uploaded_at: str


def read_head(s3: S3Client, upload: Upload) -> FileHead | None:
    """Return the first bytes of an upload.

    Args:
        s3: The S3 client.
        upload: The upload. Without a version ID, the newest version is read.

    Returns:
        The first bytes, or None if the object no longer exists.

    Raises:
        UnreadableUploadError: The object is archived, or encrypted with another key.
    """
    request: dict[str, Any] = {"Bucket": upload.bucket, "Key": upload.key}
    if upload.version_id:
        request["VersionId"] = upload.version_id
    try:
        return _read_head(s3, request)
    except ClientError as error:
        if error_code(error) in DELETED_CODES:
            return None
        if _is_unreadable(error):
            raise UnreadableUploadError(f"{upload.key} cannot be read: {error}") from error
        raise


def request_head(s3: S3Client, request: Mapping[str, Any]) -> GetObjectOutputTypeDef:
    """Request the first bytes of an object, so that S3 sends at most HEAD_BYTES of it.

    Args:
        s3: The S3 client.
        request: The bucket, the key, and possibly the version.

    Returns:
        The response of S3. The caller closes its body.
    """
    try:
        return s3.get_object(**request, Range=f"bytes=0-{HEAD_BYTES - 1}")
    except ClientError as error:
        if error_code(error) != "InvalidRange":
            raise
    # The object is empty, so that no range of it is valid.
    return s3.get_object(**request)


def _is_unreadable(error: ClientError) -> bool:
    """Return whether the error is due to the object, not to missing permissions of the function."""
    return error_code(error) in _UNREADABLE_CODES or (
        error_code(error) == "AccessDenied" and _KMS_ACTION_PREFIX in str(error)
    )


def _read_head(s3: S3Client, request: Mapping[str, Any]) -> FileHead:
    response = request_head(s3, request)
    # Some implementations of S3 ignore the range, so read no more than the limit. An object that
    # was empty can have been replaced by a long one.
    with closing(response["Body"]) as body:
        data = body.read(HEAD_BYTES)
    size = int(response.get("ContentRange", "").rpartition("/")[2] or response["ContentLength"])
    return FileHead(data, size, response["VersionId"], format_utc(response["LastModified"]))


def check_upload(dataset: Dataset, upload: Upload, head: FileHead) -> tuple[BatchFile, FileCheck]:
    """Check an upload by its first bytes.

    Args:
        dataset: The dataset that the key belongs to.
        upload: The upload.
        head: The first bytes of the upload.

    Returns:
        The file as the ledger records it, and the result of the file check.
    """
    check = check_head(dataset, head.data, is_complete=head.size <= HEAD_BYTES)
    file = BatchFile(
        dataset=dataset.name,
        key=upload.key,
        version_id=head.version_id,
        size=head.size,
        order=upload.order,
        uploaded_at=head.uploaded_at,
        warnings=check.warnings,
    )
    return file, check
