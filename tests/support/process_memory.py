"""The memory that a process and all processes below it use."""

from __future__ import annotations

import bisect
from contextlib import suppress
from dataclasses import dataclass, field

import psutil

_MEGABYTE = 1024 * 1024


@dataclass
class MemoryUse:
    """Samples of the memory of a server while it works on a number of cases.

    All sizes are resident set sizes in megabytes.

    Attributes:
        process: The process of the server.
        server_sizes: The size of the server by the number of completed cases, when it was first
            sampled.
        max_total_size: The greatest sum of the sizes of the server and the processes below it.
        max_processes: The greatest number of processes below the server.
    """

    process: psutil.Process
    server_sizes: dict[int, int] = field(default_factory=dict)
    max_total_size: int = 0
    max_processes: int = 0

    def sample(self, completed: int) -> None:
        """Record the memory after a number of completed cases, which never decreases."""
        server = _get_size(self.process)
        children = self.process.children(recursive=True)
        self.server_sizes.setdefault(completed, server)
        self.max_total_size = max(self.max_total_size, server + sum(map(_get_size, children)))
        self.max_processes = max(self.max_processes, len(children))

    @property
    def completed(self) -> int:
        """The number of completed cases at the last sample."""
        return max(self.server_sizes)

    def get_server_size(self, completed: int) -> int:
        """Return the size of the server at the first sample after a number of completed cases."""
        counts = list(self.server_sizes)
        return self.server_sizes[counts[bisect.bisect_left(counts, completed)]]

    def get_growth(self, completed: int) -> int:
        """Return how much the server has grown since a number of completed cases."""
        return self.get_server_size(self.completed) - self.get_server_size(completed)


def _get_size(process: psutil.Process) -> int:
    with suppress(psutil.NoSuchProcess):
        return int(process.memory_info().rss) // _MEGABYTE
    return 0
