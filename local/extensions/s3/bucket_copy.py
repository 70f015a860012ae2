"""A copy of S3 locations for a program that reads and writes files.

Before the program starts, the objects that it may read are downloaded with the permissions of its
role. After the program has ended, the files are compared with their state before it started: new
and changed files are uploaded, and the objects of deleted files are deleted, with the same calls
that Hadoop's S3 file system makes.
"""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from boto3.s3.transfer import TransferConfig
from botocore.exceptions import BotoCoreError, ClientError

from local.extensions.s3.files import split_uri
from local.extensions.s3.object_cache import CachedObject, ObjectCache

# The folder of a job's uncommitted files. With S3A's committers it never appears in a bucket.
_UNCOMMITTED_FOLDER = "_temporary"
_MAX_KEYS_PER_DELETE = 1000
_MAX_NAME_BYTES = 255  # of a file or folder, in common file systems
_MAX_KEY_BYTES = 1024  # in S3, which MiniStack does not enforce
_DOWNLOAD_THREADS = 8
_SINGLE_THREADED = TransferConfig(use_threads=False)
_ACCESS_DENIED = "AccessDenied"

# Steps that start at the same time need the same objects. One downloads them; the others wait and
# then find them in the cache.
_download_lock = threading.Lock()


class _FileState(NamedTuple):
    """What changes when a file is written or replaced."""

    inode: int
    modified_ns: int
    size: int


class S3AccessError(Exception):
    """A call to S3 failed.

    Attributes:
        code: S3's error code, such as `AccessDenied`. Empty if S3 was not called.
    """

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message)
        self.code = code


class S3Copy:
    """A folder with a copy of S3 locations, in one subfolder per bucket."""

    def __init__(self, s3: Any, folder: Path, cache: ObjectCache) -> None:
        """Create an empty copy.

        Args:
            s3: An S3 client with the permissions of the program's role.
            folder: The folder of the copy.
            cache: The objects that the role has already read.
        """
        self._s3 = s3
        self._folder = folder
        self._cache = cache
        self._original_states: dict[Path, _FileState] = {}
        self.omitted: list[str] = []
        """The URIs of the objects that the copy lacks; see `fetch`."""

    def bucket_folder(self, bucket: str) -> Path:
        """Return the folder that stands for a bucket."""
        folder = self._folder / bucket
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def fetch(self, uri: str) -> int:
        """Add the object that a URI names to the copy, or else all objects below it.

        Some objects are omitted and listed in `omitted`: those whose key cannot be a file's path,
        or whose path is a folder or below a file of the copy, and, if the URI names a whole bucket,
        those that the role may not read. Programs get a bucket's URI as the root of their output,
        and few roles may read everything in a bucket.

        Args:
            uri: The URI of an object, a folder, or a bucket. Nothing needs to exist there: the
                program itself reports what it does not find.

        Returns:
            The size of the objects in bytes.

        Raises:
            S3AccessError: S3 denied a call, or the URI names no bucket.
        """
        bucket, key = split_uri(uri)
        if not _is_file_name(bucket):
            raise S3AccessError(f"{uri}: Invalid bucket name {bucket!r}")
        if key and not _is_file_path(key):
            return self._omit(bucket, key)
        if key and (response := self._get_object(bucket, key)):
            return self._save(bucket, key, response)
        size = 0
        missing = []
        for listed in self._list_objects(bucket, key):
            cached_size = self._fetch_from_cache(bucket, listed, is_optional=not key)
            if cached_size is None:
                missing.append(listed)
            else:
                size += cached_size
        if not missing:
            return size
        fetch = partial(self._fetch_object, bucket, is_optional=not key)
        with _download_lock, ThreadPoolExecutor(_DOWNLOAD_THREADS) as threads:
            return size + sum(threads.map(fetch, missing))

    def store(self) -> None:
        """Apply the changes of the copy to S3, in the order in which the files were written.

        Raises:
            S3AccessError: S3 denied a call.
        """
        written = [
            path
            for path in self._list_files()
            if _UNCOMMITTED_FOLDER not in path.parts
            and self._original_states.get(path) != _get_state(path)
        ]
        deleted = [path for path in self._original_states if not path.is_file()]
        requested_folders: set[Path] = set()
        for path in sorted(written, key=lambda path: path.stat().st_mtime_ns):
            self._request_folders(path, requested_folders)
            self._upload(path)
        self._delete([*deleted, *_get_uncommitted_folders(written)])

    def _list_files(self) -> Iterator[Path]:
        """Yield the files of all buckets. Links are left out, because they can lead elsewhere."""
        for folder, _, names in os.walk(self._folder, followlinks=False):
            paths = (Path(folder, name) for name in names if Path(folder) != self._folder)
            yield from (path for path in paths if path.is_file() and not path.is_symlink())

    def _fetch_object(self, bucket: str, listed: dict[str, Any], *, is_optional: bool) -> int:
        """Add an object to the copy and return its size.

        Args:
            bucket: The object's bucket.
            listed: The object as ListObjectsV2 describes it.
            is_optional: Whether to omit an object that the role may not read.
        """
        cached_size = self._fetch_from_cache(bucket, listed, is_optional=is_optional)
        if cached_size is not None:
            return cached_size
        key = listed["Key"]
        try:
            response = self._get_object(bucket, key)
        except S3AccessError as error:
            if not is_optional or error.code != _ACCESS_DENIED:
                raise
            self._cache.get(bucket, key, listed["ETag"]).store_denial()
            return self._omit(bucket, key)
        # The object may have been deleted since it was listed.
        return self._save(bucket, key, response) if response else 0

    def _fetch_from_cache(
        self, bucket: str, listed: dict[str, Any], *, is_optional: bool
    ) -> int | None:
        """Add an object to the copy without a call to S3.

        The arguments are those of `_fetch_object`.

        Returns:
            The object's size, or `None` if the cache does not have the object.
        """
        key = listed["Key"]
        path = self._path(bucket, key)
        if path in self._original_states:  # another URI names the object too
            return self._original_states[path].size
        cached = self._cache.get(bucket, key, listed["ETag"])
        if cached.is_stored:
            return self._copy(cached, bucket, key)
        if is_optional and cached.is_denied:
            return self._omit(bucket, key)
        return None

    def _save(self, bucket: str, key: str, response: dict[str, Any]) -> int:
        """Add the object of a GetObject response to the copy and return its size."""
        cached = self._cache.get(bucket, key, response["ETag"])
        with response["Body"] as body:
            cached.store(body)
        return self._copy(cached, bucket, key)

    def _copy(self, cached: CachedObject, bucket: str, key: str) -> int:
        """Add an object of the cache to the copy and return its size."""
        path = self._path(bucket, key)
        # With several URIs, `a` can be the folder of an object that another URI names, or the file
        # above it.
        if path.is_dir() or any(parent.is_file() for parent in path.parents):
            return self._omit(bucket, key)
        path.parent.mkdir(parents=True, exist_ok=True)
        # Not a link: a program that changes the file must not change the cache.
        shutil.copyfile(cached.path, path)
        state = self._original_states[path] = _get_state(path)
        return state.size

    def _omit(self, bucket: str, key: str) -> int:
        self.omitted.append(f"s3://{bucket}/{key}")
        return 0

    def _get_object(self, bucket: str, key: str) -> dict[str, Any] | None:
        """Return the response of GetObject, or `None` if the object does not exist."""
        # Hadoop calls HeadObject, which needs the same permission, but whose errors have no
        # message.
        try:
            response: dict[str, Any] = self._call(
                f"s3://{bucket}/{key}", self._s3.get_object, Bucket=bucket, Key=key
            )
        except self._s3.exceptions.NoSuchKey:
            return None
        return response

    def _list_objects(self, bucket: str, folder: str) -> Iterator[dict[str, Any]]:
        """Yield the objects below a folder that can be files, as ListObjectsV2 describes them."""
        prefix = f"{folder}/" if folder else ""
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        responses = self._call(f"s3://{bucket}/{prefix}", lambda: list(pages))
        objects = {
            listed["Key"]: listed
            for response in responses
            for listed in response.get("Contents", [])
            if not listed["Key"].endswith("/")  # folder markers
        }
        for key, listed in objects.items():
            if _is_file_path(key) and not any(parent in objects for parent in _get_parents(key)):
                yield listed
            else:
                self._omit(bucket, key)

    def _request_folders(self, path: Path, requested: set[Path]) -> None:
        """Request each folder above a file by its own name, as Hadoop does to create the file."""
        for folder in path.relative_to(self._folder).parents[:-2]:
            if folder not in requested:
                requested.add(folder)
                bucket, *names = folder.parts
                self._get_object(bucket, "/".join(names))

    def _upload(self, path: Path) -> None:
        bucket, key = self._get_location(path)
        with path.open("rb") as file:
            self._call(
                f"s3://{bucket}/{key}",
                self._s3.upload_fileobj,
                file,
                bucket,
                key,
                Config=_SINGLE_THREADED,
            )

    def _delete(self, paths: list[Path]) -> None:
        keys_by_bucket: dict[str, list[str]] = {}
        for path in paths:
            bucket, key = self._get_location(path)
            # The key of a folder ends with a slash.
            suffix = "/" if path.name == _UNCOMMITTED_FOLDER else ""
            keys_by_bucket.setdefault(bucket, []).append(key + suffix)
        for bucket, keys in keys_by_bucket.items():
            for start in range(0, len(keys), _MAX_KEYS_PER_DELETE):
                objects = [{"Key": key} for key in keys[start : start + _MAX_KEYS_PER_DELETE]]
                response = self._call(
                    f"s3://{bucket}/{objects[0]['Key']}",
                    self._s3.delete_objects,
                    Bucket=bucket,
                    Delete={"Objects": objects, "Quiet": True},
                )
                for error in response.get("Errors", []):
                    raise S3AccessError(
                        f"s3://{bucket}/{error['Key']}: An error occurred ({error['Code']}) when "
                        f"calling the DeleteObjects operation: {error.get('Message', '')}",
                        error["Code"],
                    )

    def _call(self, uri: str, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call S3 and add the URI to its errors."""
        try:
            return function(*args, **kwargs)
        except self._s3.exceptions.NoSuchKey:
            raise
        except ClientError as error:
            code = error.response["Error"].get("Code", "")
            raise S3AccessError(f"{uri}: {error}", code) from error
        except BotoCoreError as error:  # such as an invalid bucket name
            raise S3AccessError(f"{uri}: {error}") from error

    def _path(self, bucket: str, key: str) -> Path:
        return self._folder / bucket / key

    def _get_location(self, path: Path) -> tuple[str, str]:
        """Return the bucket and the key that a file of the copy stands for."""
        bucket, *names = path.relative_to(self._folder).parts
        return bucket, "/".join(names)


def _is_file_path(key: str) -> bool:
    """Return whether a key can be the path of a file, which also keeps the file in its folder."""
    return len(os.fsencode(key)) <= _MAX_KEY_BYTES and all(map(_is_file_name, key.split("/")))


def _is_file_name(name: str) -> bool:
    """Return whether a part of a URI can be the name of a file or folder."""
    is_special = name in ("", ".", "..") or "\0" in name
    return not is_special and len(os.fsencode(name)) <= _MAX_NAME_BYTES


def _get_parents(key: str) -> list[str]:
    """Return the keys of all folders above an object."""
    names = key.split("/")
    return ["/".join(names[:count]) for count in range(1, len(names))]


def _get_state(path: Path) -> _FileState:
    status = path.stat()
    return _FileState(status.st_ino, status.st_mtime_ns, status.st_size)


def _get_uncommitted_folders(written: list[Path]) -> list[Path]:
    """Return the uncommitted folders of all finished tables, which a committer deletes."""
    return [path.parent / _UNCOMMITTED_FOLDER for path in written if path.name == "_SUCCESS"]
