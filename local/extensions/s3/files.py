"""Objects below an s3:// location as files: listed, read, and told apart from what readers skip."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class S3File:
    """An object; `size` in bytes."""

    bucket: str
    key: str
    size: int

    @property
    def uri(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


def split_uri(uri: str) -> tuple[str, str]:
    """Bucket and key of an s3:// URI; the key has no slash at either end, and may be empty."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key.strip("/")


def split_location(location: str) -> tuple[str, str]:
    """Bucket and prefix of an s3:// location; the prefix ends with a slash or is empty."""
    bucket, prefix = split_uri(location)
    return bucket, f"{prefix}/" if prefix else ""


def files_below(s3: Any, location: str) -> Iterator[S3File]:
    """The files with content below a location, in order of their keys.

    As Hive does it, without those whose name, or a folder's, begins with `_` or `.`.
    ClientError as S3 answers it.
    """
    bucket, prefix = split_location(location)
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for found in page.get("Contents", []):
            names = found["Key"].removeprefix(prefix).split("/")
            if found["Size"] and not any(name.startswith(("_", ".")) for name in names):
                yield S3File(bucket, found["Key"], found["Size"])
