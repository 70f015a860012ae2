"""A cache of downloaded objects, for programs that start with a copy of the same locations.

Without the cache, every step of every run would download all objects of earlier runs again.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from local import ACCOUNT
from local.extensions.patching.patches import resolve
from local.extensions.s3.bucket_keys import get_key_arn

_IAM_EVALUATOR = "ministack.core.iam_evaluator"
_ISSUE_TIME = "aws:tokenissuetime"


@dataclass(frozen=True)
class CachedObject:
    """One version of an object in the cache, whether it is stored or not.

    Attributes:
        path: The file with the object's content.
    """

    path: Path

    @property
    def is_stored(self) -> bool:
        """Whether the content is in the cache."""
        return self.path.is_file()

    @property
    def is_denied(self) -> bool:
        """Whether S3 has denied access to this version."""
        return self._denial.is_file()

    def store(self, content: IO[bytes]) -> None:
        """Store the content. Other threads never see a part of it."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=self.path.parent, delete=False) as file:
            shutil.copyfileobj(content, file)
        Path(file.name).replace(self.path)

    def store_denial(self) -> None:
        """Record that S3 has denied access to this version."""
        self._denial.parent.mkdir(parents=True, exist_ok=True)
        self._denial.touch()

    @property
    def _denial(self) -> Path:
        return self.path.with_suffix(".denied")


class ObjectCache:
    """The objects that a role has read.

    The cache must not give a role access that S3 would deny. It therefore has separate entries for
    each role and for each state of the policies that decide what the role may read.
    """

    def __init__(self, folder: Path, get_access_digest: Callable[[str], str]) -> None:
        """Open the cache.

        Args:
            folder: The folder of the cache, which several caches can share.
            get_access_digest: Returns the role's digest from `compute_access_digest` for a bucket.
        """
        self._folder = folder
        self._get_access_digest = get_access_digest
        self._access_digests: dict[str, str] = {}

    def get(self, bucket: str, key: str, etag: str) -> CachedObject:
        """Return the cache's entry for one version of an object."""
        if bucket not in self._access_digests:
            self._access_digests[bucket] = self._get_access_digest(bucket)
        name = _hash(f"{bucket}/{key}\n{etag}")
        return CachedObject(self._folder / self._access_digests[bucket] / name)


def compute_access_digest(access_key_id: str, bucket: str) -> str:
    """Return a digest of a principal and of all policies that decide what it may read in a bucket.

    Args:
        access_key_id: The principal's access key.
        bucket: The name of the bucket.
    """
    principal = resolve(
        _IAM_EVALUATOR, "resolve_principal", ("access_key_id", "account_id", "credential")
    )(access_key_id, ACCOUNT)
    if hasattr(principal, "keys"):
        # Each new session of a role has another issue time.
        principal.keys.pop(_ISSUE_TIME, None)
    get_resource_policy = resolve(_IAM_EVALUATOR, "_resource_policy", ("service", "resource_arn"))
    bucket_arn = f"arn:aws:s3:::{bucket}"
    bucket_policy = get_resource_policy("s3", bucket_arn)
    key_arn = get_key_arn(bucket_arn)
    key_policy = get_resource_policy("kms", key_arn) if key_arn else None
    return _hash(repr((principal, bucket_policy, key_arn, key_policy)))


def _hash(text: str) -> str:
    return hashlib.sha256(os.fsencode(text)).hexdigest()
