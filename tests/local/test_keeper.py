"""The keeper: a command, and all that came of it, ends with whoever started it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from local import supervisor
from tests.support.processes import SLEEP_APART, is_alive
from tests.support.waiting import wait_until

# An orphan in the keeper's group, and a process that left it.
SCRIPT = f"""
(sleep 600 & echo $! >orphan)
{SLEEP_APART} & echo $! >apart
echo $$ >command
wait
"""


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-I", supervisor.__file__, "sh", "-c", SCRIPT],
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        start_new_session=True,
    )
    assert wait_until(lambda: all(_pid(tmp_path, name) for name in ("command", "orphan", "apart")))
    apart = _pid(tmp_path, "apart") or 0
    assert wait_until(lambda: os.getsid(apart) == apart)
    yield process
    process.kill()
    process.communicate()


def _pid(folder: Path, name: str) -> int | None:
    file = folder / name
    return int(file.read_text() or 0) if file.exists() else None


def _all_ended(folder: Path) -> bool:
    pids = [_pid(folder, name) for name in ("command", "orphan", "apart")]
    return wait_until(lambda: not any(pid and is_alive(pid) for pid in pids), 10)


def test_the_pipe_that_closes_ends_all(kept: subprocess.Popen[bytes], tmp_path: Path) -> None:
    assert kept.stdin is not None
    kept.stdin.close()
    assert _all_ended(tmp_path)


def test_it_can_be_ended_at_once(kept: subprocess.Popen[bytes], tmp_path: Path) -> None:
    supervisor.terminate_group(kept.pid)
    assert _all_ended(tmp_path)


def test_where_processes_may_not_be_looked_at_the_group_ends(
    kept: subprocess.Popen[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    apart = _pid(tmp_path, "apart")
    assert apart is not None
    with monkeypatch.context() as patch:
        patch.setattr(psutil.Process, "children", _denied)
        supervisor.terminate_group(kept.pid)
    assert is_alive(apart)
    psutil.Process(apart).kill()
    assert _all_ended(tmp_path)


def _denied(*_: object, **__: object) -> None:
    raise psutil.AccessDenied
