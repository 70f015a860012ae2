"""Processes of the machine that runs the tests."""

from __future__ import annotations

import os
import shlex
import sys

import psutil

SLEEP_IN_NEW_SESSION = shlex.join(
    [sys.executable, "-c", "import os; os.setsid(); os.execlp('sleep', 'sleep', '600')"]
)
"""A shell command that sleeps in its own session, out of reach of signals to the shell's group."""


def is_alive(pid: int) -> bool:
    """Return whether a process is running. A zombie is not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def list_process_group(leader: int) -> list[int]:
    """Return the IDs of the running processes in the group of a leader."""
    return [pid for pid in psutil.pids() if is_alive(pid) and _get_group(pid) == leader]


def _get_group(pid: int) -> int | None:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return None
