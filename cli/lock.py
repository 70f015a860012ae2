"""Writing the lock files from the short lists of what is wanted."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

REQUIREMENTS = Path(__file__).resolve().parents[1] / "requirements"
UV = Path(sys.executable).parent / "uv"
GROUPS = ("build", "run", "test", "spark4")
OLDEST_PYTHON = "3.11"


def lock(upgrade: bool) -> None:
    """Pin every package of every group with its hashes, for all platforms and Pythons.

    Without `upgrade` what is pinned already stays as it is.
    """
    for group in GROUPS:
        command = [str(UV), "pip", "compile", "--quiet", "--universal", "--generate-hashes"]
        command += ["--python-version", OLDEST_PYTHON, "--no-annotate"]
        command += ["--custom-compile-command", "./run lock"]
        command += ["--upgrade"] if upgrade else []
        subprocess.run(
            [*command, f"{group}.in", "--output-file", f"{group}.txt"],
            cwd=REQUIREMENTS,
            check=True,
        )
