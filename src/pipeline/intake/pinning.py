"""A run's own input: the exact versions that it was made of, copied server side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError
from s3transfer.exceptions import S3CopyFailedError

from contract.datasets import DATASETS, Dataset
from contract.layout import is_run_id, pinned_key
from pipeline.aws.clients import client, error_code
from pipeline.errors import InputMissingError, PipelineError

_MIB = 1024 * 1024
_MOST_PARTS = 10_000  # of one multipart upload
_SOURCE_VERSION = "source-version"
_DATASETS = {dataset.name: dataset for dataset in DATASETS}

# A HEAD request's answer has no body, so its code is the status; 405 is a delete marker's.
_GONE = {"404", "405", "MethodNotAllowed", "NoSuchKey", "NoSuchVersion"}
_CHANGED = {"412", "PreconditionFailed"}


class InvalidRunInputError(PipelineError):
    """The list of files that an execution was started with is not one of a batch."""


@dataclass(frozen=True)
class InputFile:
    """One version of one file in the bucket; `size` in bytes."""

    dataset: Dataset
    key: str
    version_id: str
    size: int

    def __str__(self) -> str:
        return f"{self.key} version {self.version_id}"


@dataclass(frozen=True)
class CopySizes:
    """From which size on a file is copied in parts, and the smallest part, in bytes.

    A part is small enough to be copied well within the client's time limit, so that large files
    need no limit of their own; a part of the largest file that S3 holds is what 10,000 allow.
    """

    threshold: int = 128 * _MIB
    part: int = 64 * _MIB
    parts_at_once: int = 16

    def config(self, size: int) -> TransferConfig:
        """How a file of so many bytes is copied."""
        return TransferConfig(
            multipart_threshold=self.threshold,
            multipart_chunksize=max(self.part, -(-size // _MOST_PARTS)),
            max_concurrency=self.parts_at_once,
        )


def parse_input_files(entries: Sequence[Mapping[str, Any]]) -> tuple[InputFile, ...]:
    """The files of an execution's input: each dataset once, or a WrongInputListError."""
    names = sorted(str(entry.get("dataset")) for entry in entries)
    if names != sorted(_DATASETS):
        needed, present = ", ".join(_DATASETS), ", ".join(names) or "none"
        raise InvalidRunInputError(f"the run needs one file each of {needed}; it has {present}")
    try:
        return tuple(
            InputFile(_DATASETS[entry["dataset"]], entry["key"], entry["version_id"], entry["size"])
            for entry in entries
        )
    except KeyError as error:
        raise InvalidRunInputError(f"a file of the run's list has no {error}") from error


def pin_files(
    bucket: str, run_id: str, files: Sequence[InputFile], sizes: CopySizes | None = None
) -> int:
    """Copy the files to where the run reads them; their sizes together, in bytes.

    What an earlier try has pinned is left as it is, even if its source has gone meanwhile.
    InputMissingError if a version is not there or not what was checked, and then nothing is copied.
    """
    if not is_run_id(run_id):
        raise InvalidRunInputError(f"{run_id!r} is no run id")
    with ThreadPoolExecutor(len(DATASETS)) as pool:
        etags = list(pool.map(partial(_etag_to_copy, bucket, run_id), files))
        copy = partial(_copy, bucket, run_id, sizes or CopySizes())
        list(pool.map(copy, files, etags))
    return sum(file.size for file in files)


def _etag_to_copy(bucket: str, run_id: str, file: InputFile) -> str | None:
    """The ETag of the version to copy; null if it is pinned already."""
    with _own_errors(file):
        if _is_pinned(bucket, run_id, file):
            return None
        source = client("s3").head_object(Bucket=bucket, Key=file.key, VersionId=file.version_id)
    # Only the version `null`, from before versioning, can come to hold something else.
    if source["ContentLength"] != file.size:
        raise InputMissingError(
            f"{file} has {source['ContentLength']} bytes; the file that was checked had {file.size}"
        )
    return source["ETag"]


def _is_pinned(bucket: str, run_id: str, file: InputFile) -> bool:
    try:
        there = client("s3").head_object(Bucket=bucket, Key=pinned_key(file.dataset, run_id))
    except ClientError as error:
        if error_code(error) in _GONE:
            return False
        raise
    names_source = there["Metadata"].get(_SOURCE_VERSION) == file.version_id
    return names_source and there["ContentLength"] == file.size


def _copy(bucket: str, run_id: str, sizes: CopySizes, file: InputFile, etag: str | None) -> None:
    if etag is None:
        return
    with _own_errors(file):
        client("s3").copy(
            CopySource={"Bucket": bucket, "Key": file.key, "VersionId": file.version_id},
            Bucket=bucket,
            Key=pinned_key(file.dataset, run_id),
            ExtraArgs={
                "CopySourceIfMatch": etag,
                "ContentType": "text/csv",
                "Metadata": {_SOURCE_VERSION: file.version_id},
                # Nothing but the bytes is taken over; the uploader's tags would ask for rights.
                "MetadataDirective": "REPLACE",
                "TaggingDirective": "REPLACE",
            },
            Config=sizes.config(file.size),
        )


@contextmanager
def _own_errors(file: InputFile) -> Iterator[None]:
    """S3's errors about a file in the pipeline's words; others pass."""
    try:
        yield
    except ClientError as error:
        if error_code(error) in _GONE:
            raise InputMissingError(f"{file} is gone: it was deleted or has expired") from error
        if error_code(error) in _CHANGED:
            raise InputMissingError(f"{file} was replaced while it was copied") from error
        raise
    except S3CopyFailedError as error:
        raise InputMissingError(f"{file} was replaced while it was copied") from error
