"""Supervisor: runs a command and terminates it when the process that started it ends.

    python -I supervisor.py COMMAND [ARGUMENT...]

Start it as the leader of a new process group (`start_new_session=True`) with a pipe as its standard
input, and write nothing to the pipe. The operating system closes the pipe when the parent process
ends, however that happens; the supervisor then kills its process group and all descendants.

A SIGTERM to the group asks the command to stop. The supervisor itself ignores the signal, so that
it can report the command's exit code.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress

import psutil

_COMMAND_NOT_FOUND = 127
_KILLED_BY_SIGNAL = 128

_parent_has_ended = threading.Event()


def main() -> None:
    """Run the command and exit with its exit code, as a shell would."""
    signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        command = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)
    except OSError as error:
        print(f'Cannot run program "{sys.argv[1]}": {error.strerror}', file=sys.stderr)
        sys.exit(_COMMAND_NOT_FOUND)
    watcher = threading.Thread(target=_kill_on_parent_exit, daemon=True)
    watcher.start()
    code = command.wait()
    if _parent_has_ended.is_set():
        # The watcher has killed the command and still has to kill the group, with this process.
        watcher.join()
    sys.exit(code if code >= 0 else _KILLED_BY_SIGNAL - code)


def terminate_group(pid: int) -> None:
    """Kill a supervisor, its process group, and all descendants of its command.

    Args:
        pid: The process ID of the supervisor, which is also its group's.
    """
    with suppress(psutil.Error):
        # Descendants may have left the group, and members of the group may have lost their parent,
        # so both are killed. The newest come first: a supervisor exits as soon as its command
        # does, which must not happen before the loop has reached the remaining descendants.
        for process in reversed(psutil.Process(pid).children(recursive=True)):
            with suppress(psutil.Error):
                process.kill()
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


def _kill_on_parent_exit() -> None:
    # Reading from sys.stdin would hold its lock, which blocks the interpreter's shutdown.
    os.read(sys.stdin.fileno(), 1)
    _parent_has_ended.set()
    terminate_group(os.getpid())


if __name__ == "__main__":
    main()
