"""What S3 holds, as the model of the tests knows it, and which versions a run can use."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from tests.support.broken_files import VALID_FILES
from tests.support.memory.clients import MemoryS3

PREFIXES = ("raw/a/", "raw/b/", "raw/")
KEYS = [f"{prefix}{file}" for prefix in PREFIXES for file in VALID_FILES]
_INVALID = b"not a CSV file"
_SHARE_OF_VALID_FILES = 0.85
_EVEN = 0.5


@dataclass
class ModelFile:
    """The versions of one key.

    Attributes:
        versions: Version and validity of each version, oldest first. The validity of a delete
            marker is None.
        usable_since: Each change of the usable versions: the time, and the versions from then on.
    """

    versions: list[tuple[str, bool | None]] = field(default_factory=list)
    usable_since: list[tuple[int, frozenset[str]]] = field(
        default_factory=lambda: [(0, frozenset())]
    )

    @property
    def current(self) -> tuple[str, bool | None] | None:
        """Version and validity of the current version. None if the file does not exist."""
        return self.versions[-1] if self.versions and self.versions[-1][1] is not None else None

    def usable_between(self, start: int, end: int) -> frozenset[str]:
        """Return the versions that a run could use at some time."""
        before = [versions for time, versions in self.usable_since if time <= start]
        later = [versions for time, versions in self.usable_since if start < time <= end]
        return frozenset().union(before[-1], *later)

    def record_change(self, now: int) -> None:
        """Record which versions are usable after a change.

        That is the current version if it is valid. If it is rejected, an earlier valid version is
        used.
        """
        valid = frozenset(version for version, is_valid in self.versions if is_valid)
        if self.current is None:
            valid = frozenset()
        elif self.current[1]:
            valid = frozenset({self.current[0]})
        self.usable_since.append((now, valid))


class BucketModel:
    """Changes the bucket at random, and knows what it holds."""

    def __init__(self, s3: MemoryS3, random: Random) -> None:
        self.files = {key: ModelFile() for key in KEYS}
        self._s3 = s3
        self._random = random

    def upload(self, key: str, now: int) -> str:
        """Upload a file, which is mostly valid, and return its version."""
        is_valid = self._random.random() < _SHARE_OF_VALID_FILES
        content = VALID_FILES[key.rpartition("/")[2]] if is_valid else _INVALID
        version = self._s3.put(key, content)
        self.files[key].versions.append((version, is_valid))
        self.files[key].record_change(now)
        return version

    def delete(self, now: int) -> None:
        """Delete a file, or its newest version, or a delete marker, which restores the file."""
        key = self._random.choice(KEYS)
        file = self.files[key]
        if not file.versions:
            return
        if self._random.random() < _EVEN:
            file.versions.append((self._s3.put(key, None), None))
        else:
            file.versions.pop()
            self._s3.objects[key].pop()
        file.record_change(now)
