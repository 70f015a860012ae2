"""A folder that stands for buckets while a program runs that knows files only.

What the program reads is fetched before it, with the rights of its role; what it wrote and removed
is done to S3 after it, by the calls that Hadoop's S3 file system makes.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError

from local.extensions.s3.files import split_uri

# What a job that is under way, or died, leaves; with S3A's committer it never shows in a bucket.
_UNCOMMITTED = "_temporary"
_MOST_DELETES = 1000  # of one call
_IN_ONE_THREAD = TransferConfig(use_threads=False)


class S3AccessError(Exception):
    """S3 refused something; its words, with the object that it was about."""


class S3Copy:
    """The copy below `folder`, one folder a bucket; `s3` is a client with the program's role."""

    def __init__(self, s3: Any, folder: Path) -> None:
        self._s3 = s3
        self._folder = folder
        self._known: dict[Path, tuple[int, int]] = {}

    def bucket(self, name: str) -> Path:
        """The folder that stands for a bucket."""
        folder = self._folder / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def fetch(self, uri: str) -> int:
        """Bring the object, or all below the folder, that the URI names; its size in bytes.

        Nothing if there is nothing: it is the program's to say so. S3AccessError.
        """
        bucket, key = split_uri(uri)
        fetched = self._fetch_object(bucket, key)
        if fetched is not None:
            return fetched
        return sum(self._fetch_object(bucket, below) or 0 for below in self._list(bucket, key))

    def outline(self, uri: str) -> None:
        """Put empty files for the objects below a folder that is written and not read.

        So the program removes what lies there, as it would remove the objects. S3AccessError.
        """
        bucket, folder = split_uri(uri)
        for key in self._list(bucket, folder):
            path = self._path(bucket, key)
            path.touch()
            self._know(path)

    def store(self) -> None:
        """Do to S3 what was done to the copy, in the order in which it was done. S3AccessError."""
        written, seen = [], set()
        for path in self._folder.glob("*/**/*"):
            if path.is_file() and _UNCOMMITTED not in path.parts:
                seen.add(path)
                if self._known.get(path) != _state(path):
                    written.append(path)
        removed = [path for path in self._known if path not in seen]
        asked: set[Path] = set()
        for path in sorted(written, key=lambda path: path.stat().st_mtime_ns):
            self._ask_for_folders(path, asked)
            self._put(path)
        self._delete([*removed, *(folder / _UNCOMMITTED for folder in _tables(written))])

    def _fetch_object(self, bucket: str, key: str) -> int | None:
        """Its size; null if there is no such object."""
        answer = self._get(bucket, key)
        if answer is None:
            return None
        path = self._path(bucket, key)
        with answer["Body"] as body, path.open("wb") as file:
            shutil.copyfileobj(body, file)
        self._know(path)
        return path.stat().st_size

    def _get(self, bucket: str, key: str) -> Any:
        # Hadoop asks by HEAD, whose refusals have no words; the permission is the same.
        try:
            return self._ask(f"s3://{bucket}/{key}", self._s3.get_object, Bucket=bucket, Key=key)
        except self._s3.exceptions.NoSuchKey:
            return None

    def _list(self, bucket: str, folder: str) -> Iterator[str]:
        prefix = f"{folder.rstrip('/')}/"
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        for page in self._ask(f"s3://{bucket}/{prefix}", lambda: list(pages)):
            keys = (found["Key"] for found in page.get("Contents", []))
            yield from (key for key in keys if not key.endswith("/"))

    def _ask_for_folders(self, path: Path, asked: set[Path]) -> None:
        """Ask for each folder's own name, as Hadoop does before it creates a file in it."""
        for folder in path.relative_to(self._folder).parents[:-2]:
            if folder not in asked:
                asked.add(folder)
                bucket, *names = folder.parts
                self._get(bucket, "/".join(names))

    def _put(self, path: Path) -> None:
        bucket, key = self._named(path)
        with path.open("rb") as file:
            self._ask(
                f"s3://{bucket}/{key}",
                self._s3.upload_fileobj,
                file,
                bucket,
                key,
                Config=_IN_ONE_THREAD,
            )

    def _delete(self, paths: list[Path]) -> None:
        keys: dict[str, list[str]] = {}
        for path in paths:
            bucket, key = self._named(path)
            # A folder's name ends with a slash.
            keys.setdefault(bucket, []).append(key + "/" * (path.name == _UNCOMMITTED))
        for bucket, names in keys.items():
            for first in range(0, len(names), _MOST_DELETES):
                objects = [{"Key": name} for name in names[first : first + _MOST_DELETES]]
                answer = self._ask(
                    f"s3://{bucket}/{objects[0]['Key']}",
                    self._s3.delete_objects,
                    Bucket=bucket,
                    Delete={"Objects": objects, "Quiet": True},
                )
                for error in answer.get("Errors", []):
                    raise S3AccessError(
                        f"s3://{bucket}/{error['Key']}: An error occurred ({error['Code']}) when "
                        f"calling the DeleteObjects operation: {error.get('Message', '')}"
                    )

    def _ask(self, uri: str, call: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        try:
            return call(*arguments, **named)
        except self._s3.exceptions.NoSuchKey:
            raise
        except ClientError as error:
            raise S3AccessError(f"{uri}: {error}") from error

    def _path(self, bucket: str, key: str) -> Path:
        path = self.bucket(bucket) / key
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def _named(self, path: Path) -> tuple[str, str]:
        bucket, *names = path.relative_to(self._folder).parts
        return bucket, "/".join(names)

    def _know(self, path: Path) -> None:
        self._known[path] = _state(path)


def _state(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_mtime_ns, status.st_size


def _tables(written: list[Path]) -> list[Path]:
    """The folders that a committer has finished; it removes its own folder from each."""
    return [path.parent for path in written if path.name == "_SUCCESS"]
