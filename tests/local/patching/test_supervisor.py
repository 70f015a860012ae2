"""Tests that the supervisor terminates a command and its descendants when its parent ends."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from local import supervisor
from tests.support.processes import SLEEP_IN_NEW_SESSION, is_alive
from tests.support.waiting import wait_until

PROCESSES = ("command", "orphan", "detached")
# Starts an orphan in the supervisor's process group, and a process that leaves the group.
SCRIPT = f"""
(sleep 600 & echo $! >orphan)
{SLEEP_IN_NEW_SESSION} & echo $! >detached
echo $$ >command
wait
"""


@pytest.fixture
def supervised(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A supervisor whose command has started all processes."""
    process = subprocess.Popen(
        [sys.executable, "-I", supervisor.__file__, "sh", "-c", SCRIPT],
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        start_new_session=True,
    )
    assert wait_until(lambda: all(read_pid(tmp_path, name) for name in PROCESSES))
    detached = read_pid(tmp_path, "detached") or 0
    assert wait_until(lambda: os.getsid(detached) == detached)
    yield process
    process.kill()
    process.communicate()


def read_pid(folder: Path, name: str) -> int | None:
    file = folder / name
    return int(file.read_text() or 0) if file.exists() else None


def have_all_ended(folder: Path) -> bool:
    pids = [read_pid(folder, name) for name in PROCESSES]
    return wait_until(lambda: not any(pid and is_alive(pid) for pid in pids), 10)


def test_closed_pipe_terminates_all_processes(
    supervised: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    assert supervised.stdin is not None
    supervised.stdin.close()
    assert have_all_ended(tmp_path)


def test_terminate_group_terminates_all_processes(
    supervised: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    supervisor.terminate_group(supervised.pid)
    assert have_all_ended(tmp_path)


def test_process_group_is_terminated_when_processes_cannot_be_inspected(
    supervised: subprocess.Popen[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    detached = read_pid(tmp_path, "detached")
    assert detached is not None
    with monkeypatch.context() as patch:
        patch.setattr(psutil.Process, "children", deny_access)
        supervisor.terminate_group(supervised.pid)
    assert is_alive(detached)
    psutil.Process(detached).kill()
    assert have_all_ended(tmp_path)


def deny_access(*_: object, **__: object) -> None:
    raise psutil.AccessDenied
