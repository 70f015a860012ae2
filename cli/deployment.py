"""`./run deploy`: `sam build` and `sam deploy` with the SAM of our own environment."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
_BIN = Path(sys.executable).parent


def deploy(more: Sequence[str]) -> int:
    """Build and deploy the stack; the exit code of what failed, or 0.

    `more` are further arguments for `sam deploy`. The package is pure Python, so it is built with
    the Python that is here, whichever one the stack's functions have.
    """
    python = f"LambdaRuntime=python{sys.version_info.major}.{sys.version_info.minor}"
    # sam build looks on the PATH for that Python.
    environment = os.environ | {"PATH": f"{_BIN}{os.pathsep}{os.environ['PATH']}"}
    for words in (["build", "--parameter-overrides", python], ["deploy", *more]):
        command = [str(_BIN / "sam"), *words]
        code = subprocess.run(command, cwd=PROJECT, env=environment, check=False).returncode
        if code != 0:
            return code
    return 0
