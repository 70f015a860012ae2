"""Processes of this machine."""

from __future__ import annotations

import os
import shlex
import sys

import psutil

# For a shell: sleep in a session of its own, which no signal to the shell's group reaches.
SLEEP_APART = shlex.join(
    [sys.executable, "-c", "import os; os.setsid(); os.execlp('sleep', 'sleep', '600')"]
)


def is_alive(pid: int) -> bool:
    """Whether the process runs; one that has ended and waits for its parent does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def process_group(leader: int) -> list[int]:
    """The processes of the group that this one leads."""
    return [pid for pid in psutil.pids() if is_alive(pid) and _group(pid) == leader]


def _group(pid: int) -> int | None:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return None
