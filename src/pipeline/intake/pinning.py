"""The pinned input of a run: its exact file versions, copied within S3."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError
from s3transfer import exceptions as s3transfer_errors

from contract.datasets import DATASETS
from contract.layout import pinned_key
from pipeline.aws.clients import error_code
from pipeline.errors import InputMissingError
from pipeline.ledger.batch import FileVersion

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

_MIB = 1024 * 1024
_MAX_PARTS = 10_000  # of one multipart upload
_SOURCE_VERSION = "source-version"
_DATASETS = {dataset.name: dataset for dataset in DATASETS}

# The response to a HEAD request has no body, so its error code is the HTTP status. 405 means that
# the version is a delete marker.
_MISSING_CODES = {"404", "405", "MethodNotAllowed", "NoSuchKey", "NoSuchVersion"}
_CHANGED_CODES = {"412", "PreconditionFailed"}
# If S3 refuses to copy a part because the source has changed, the copy of boto3 raises this error.
# The older versions in some Lambda runtimes (requirements/lambda-runtime.in) do not have this
# class. They raise the ClientError.
_PART_COPY_ERROR: type[Exception] = getattr(s3transfer_errors, "S3CopyFailedError", ClientError)


@dataclass(frozen=True)
class CopySizes:
    """How large files are copied in parts. The sizes are in bytes.

    By default, a part is small enough to be copied well within the client's timeout. Very large
    files have larger parts, because a multipart upload has at most 10,000 parts.

    Attributes:
        threshold: Size from which a file is copied in parts.
        part: Smallest size of a part.
        parts_at_once: Number of parts of one file that are copied at the same time.
    """

    threshold: int = 128 * _MIB
    part: int = 64 * _MIB
    parts_at_once: int = 16

    def transfer_config(self, size: int) -> TransferConfig:
        """Return the settings to copy a file of a size in bytes."""
        return TransferConfig(
            multipart_threshold=self.threshold,
            multipart_chunksize=max(self.part, -(-size // _MAX_PARTS)),
            max_concurrency=self.parts_at_once,
        )


@dataclass(frozen=True)
class InputPinner:
    """Copies the input of a run to the prefix from which its jobs read it.

    Attributes:
        s3: The S3 client.
        bucket: Name of the data bucket.
        run_id: ID of the run.
        sizes: How large files are copied in parts.
    """

    s3: S3Client
    bucket: str
    run_id: str
    sizes: CopySizes = CopySizes()

    def pin(self, files: Sequence[FileVersion]) -> int:
        """Copy the files to the pinned input of the run.

        Files that an earlier invocation pinned are not copied again, even if their source has been
        deleted. Nothing is copied if a version is missing.

        Args:
            files: The file versions of the run.

        Returns:
            The total size of the files in bytes.

        Raises:
            InputMissingError: A version does not exist, or it is not the version that was checked.
        """
        with ThreadPoolExecutor(len(DATASETS)) as pool:
            etags = list(pool.map(self._etag_to_copy, files))
            list(pool.map(self._copy, files, etags))
        return sum(file.size for file in files)

    def _etag_to_copy(self, file: FileVersion) -> str | None:
        """Return the ETag of the version to copy, or None if it is pinned already."""
        with _translated_errors(file):
            if self._is_pinned(file):
                return None
            source = self.s3.head_object(
                Bucket=self.bucket, Key=file.key, VersionId=file.version_id
            )
        # Only the version `null`, from before versioning was enabled, can be overwritten.
        if source["ContentLength"] != file.size:
            raise InputMissingError(
                f"{_describe(file)} has {source['ContentLength']} bytes,"
                f" but the file that was checked had {file.size}"
            )
        return source["ETag"]

    def _is_pinned(self, file: FileVersion) -> bool:
        try:
            existing = self.s3.head_object(Bucket=self.bucket, Key=self._target_key(file))
        except ClientError as error:
            if error_code(error) in _MISSING_CODES:
                return False
            raise
        is_same_version = existing["Metadata"].get(_SOURCE_VERSION) == file.version_id
        return is_same_version and existing["ContentLength"] == file.size

    def _copy(self, file: FileVersion, etag: str | None) -> None:
        if etag is None:
            return
        with _translated_errors(file):
            self.s3.copy(
                CopySource={"Bucket": self.bucket, "Key": file.key, "VersionId": file.version_id},
                Bucket=self.bucket,
                Key=self._target_key(file),
                ExtraArgs={
                    "CopySourceIfMatch": etag,
                    "ContentType": "text/csv",
                    "Metadata": {_SOURCE_VERSION: file.version_id},
                    # Copy only the content. Copying the tags of an upload requires permissions, and
                    # so does copying its annotations, which the client excludes.
                    "MetadataDirective": "REPLACE",
                    "TaggingDirective": "REPLACE",
                },
                Config=self.sizes.transfer_config(file.size),
            )

    def _target_key(self, file: FileVersion) -> str:
        return pinned_key(_DATASETS[file.dataset], self.run_id)


def _describe(file: FileVersion) -> str:
    return f"{file.key} version {file.version_id}"


@contextmanager
def _translated_errors(file: FileVersion) -> Iterator[None]:
    """Raise InputMissingError if S3 reports that the file is missing or has changed."""
    try:
        yield
    except ClientError as error:
        if error_code(error) in _MISSING_CODES:
            raise InputMissingError(
                f"{_describe(file)} is missing because it was deleted or has expired"
            ) from error
        if error_code(error) in _CHANGED_CODES:
            raise InputMissingError(f"{_describe(file)} was replaced during the copy") from error
        raise
    except _PART_COPY_ERROR as error:
        raise InputMissingError(f"{_describe(file)} was replaced during the copy") from error
