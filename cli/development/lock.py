"""Write the lock files from the lists of direct dependencies."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

_PROJECT = Path(__file__).resolve().parents[2]
_REQUIREMENTS = _PROJECT / "requirements"
# The code folders of the functions, by the name of their list of packages.
_FUNCTIONS = {
    "lambda": _PROJECT / "src",
    "report": _PROJECT / "functions" / "write_report",
}
_UV = Path(sys.executable).parent / "uv"
# Each group may be constrained by the lock files of the groups before it.
_GROUPS = ("build", "run", "jobs", "cloud", "lambda-runtime", "test", "spark4")
_OLDEST_PYTHON = "3.11"


def write_lock_files(upgrade: bool) -> None:
    """Lock every dependency group with hashes, for all platforms and Python versions.

    Args:
        upgrade: Whether to upgrade packages that are already locked. Otherwise they keep their
            versions.
    """
    options = ["--upgrade"] if upgrade else []
    for group in _GROUPS:
        _compile(_REQUIREMENTS, [f"{group}.in", "--output-file", f"{group}.txt", *options])
    for name, folder in _FUNCTIONS.items():
        source = os.path.relpath(_REQUIREMENTS / f"{name}.in", folder)
        _compile(folder, [source, "--output-file", "requirements.txt", *options])


def _compile(folder: Path, arguments: Sequence[str]) -> None:
    command = [str(_UV), "pip", "compile", "--quiet", "--universal", "--generate-hashes"]
    command += ["--python-version", _OLDEST_PYTHON, "--no-annotate"]
    command += ["--custom-compile-command", "./run lock"]
    subprocess.run([*command, *arguments], cwd=folder, check=True)
