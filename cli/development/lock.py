"""Writing the lock files from the short lists of what is wanted."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
REQUIREMENTS = PROJECT / "requirements"
SOURCE = PROJECT / "src"
UV = Path(sys.executable).parent / "uv"
GROUPS = ("build", "run", "cloud", "test", "spark4")
"""In the order in which they look at one another's lock files."""
OLDEST_PYTHON = "3.11"


def lock(upgrade: bool) -> None:
    """Pin every package of every group with its hashes, for all platforms and Pythons.

    Without `upgrade` what is pinned already stays as it is.
    """
    more = ["--upgrade"] if upgrade else []
    for group in GROUPS:
        _compile(REQUIREMENTS, [f"{group}.in", "--output-file", f"{group}.txt", *more])
    lambdas = ["../requirements/lambda.in", "--output-file", "requirements.txt"]
    _compile(SOURCE, [*lambdas, *more])


def _compile(folder: Path, arguments: Sequence[str]) -> None:
    command = [str(UV), "pip", "compile", "--quiet", "--universal", "--generate-hashes"]
    command += ["--python-version", OLDEST_PYTHON, "--no-annotate"]
    command += ["--custom-compile-command", "./run lock"]
    subprocess.run([*command, *arguments], cwd=folder, check=True)
