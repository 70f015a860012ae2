"""The size limit of lists in emails. SNS accepts messages of up to 256 KB."""

from __future__ import annotations

from collections.abc import Sequence

_MAX_LIST_BYTES = 150_000


def count_fitting(lines: Sequence[str]) -> int:
    """Return how many of the lines an email can list, from the first one."""
    size = 0
    for number, line in enumerate(lines):
        size += len(line.encode()) + 1
        if size > _MAX_LIST_BYTES:
            return number
    return len(lines)
