"""Runs one command, and ends with it when whoever started this is gone.

    python -I keeper.py COMMAND [ARGUMENT...]

Its standard input is a pipe that nobody writes to: it closes when the other end's process is gone,
however that one died. It is the leader of a process group that holds the command too, and is told
to end with it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress

import psutil

_NO_COMMAND = 127
_SIGNALLED = 128


def main() -> None:
    """Exit with the command's own code, as a shell does."""
    # Asked to end are all in the group; this one stays to tell how the command took it.
    signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        command = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)
    except OSError as error:
        print(f'Cannot run program "{sys.argv[1]}": {error.strerror}', file=sys.stderr)
        sys.exit(_NO_COMMAND)
    threading.Thread(target=_watch, daemon=True).start()
    code = command.wait()
    sys.exit(code if code >= 0 else _SIGNALLED - code)


def terminate_group(pid: int) -> None:
    """End a keeper at once, with all that came of its command."""
    with suppress(psutil.Error):
        # Some of it may have left the group, and some of the group may have lost its parent. The
        # youngest first: the keeper ends with its command, and has to come to the end of these.
        for process in reversed(psutil.Process(pid).children(recursive=True)):
            with suppress(psutil.Error):
                process.kill()
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


def _watch() -> None:
    # Not by way of sys.stdin, whose lock would be held when Python ends.
    os.read(sys.stdin.fileno(), 1)
    terminate_group(os.getpid())


if __name__ == "__main__":
    main()
