"""List the objects below a location in S3: all of them, or without those that readers ignore."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class S3File:
    """An object in S3, with its size in bytes."""

    bucket: str
    key: str
    size: int

    @property
    def uri(self) -> str:
        """The `s3://` URI of the object."""
        return f"s3://{self.bucket}/{self.key}"


def split_uri(uri: str) -> tuple[str, str]:
    """Return the bucket and the key of an `s3://` URI.

    The key has no slash at either end, and is empty for a bucket.
    """
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key.strip("/")


def split_location(location: str) -> tuple[str, str]:
    """Return the bucket and the prefix of an `s3://` location.

    The prefix ends with a slash, and is empty for a bucket.
    """
    bucket, prefix = split_uri(location)
    return bucket, f"{prefix}/" if prefix else ""


def list_files(s3: Any, location: str) -> Iterator[S3File]:
    """Yield the files below a location that are not empty, in the order of their keys.

    Files are omitted, as in Hive, if their name or the name of one of their folders begins with
    `_` or `.`.

    Args:
        s3: An S3 client that may list the bucket.
        location: The `s3://` location.

    Raises:
        ClientError: S3 returned an error.
    """
    _, prefix = split_location(location)
    for file in list_objects(s3, location):
        names = file.key.removeprefix(prefix).split("/")
        if file.size and not any(name.startswith(("_", ".")) for name in names):
            yield file


def list_objects(s3: Any, location: str) -> Iterator[S3File]:
    """Yield all objects below a location, in the order of their keys.

    Args:
        s3: An S3 client that may list the bucket.
        location: The `s3://` location.

    Raises:
        ClientError: S3 returned an error.
    """
    bucket, prefix = split_location(location)
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for entry in page.get("Contents", []):
            yield S3File(bucket, entry["Key"], entry["Size"])
