"""Writing the lock files from the short lists of what is wanted."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from cli.development.provided import NAME, VERSION, write_provided_wheel

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
    _lock_lambdas(more)


def _lock_lambdas(more: Sequence[str]) -> None:
    """Lock what the Lambdas carry, with the empty wheel for what their runtime brings."""
    write_provided_wheel()
    folder = "../requirements/provided"
    with tempfile.TemporaryDirectory() as scratch:
        provided = Path(scratch) / "provided.in"
        provided.write_text(f"{NAME}=={VERSION}\n", encoding="utf-8")
        wanted = ["../requirements/lambda.in", str(provided)]
        places = ["--output-file", "requirements.txt", "--find-links", folder]
        _compile(SOURCE, [*wanted, *places, "--emit-find-links", *more])


def _compile(folder: Path, arguments: Sequence[str]) -> None:
    command = [str(UV), "pip", "compile", "--quiet", "--universal", "--generate-hashes"]
    command += ["--python-version", OLDEST_PYTHON, "--no-annotate"]
    command += ["--custom-compile-command", "./run lock"]
    subprocess.run([*command, *arguments], cwd=folder, check=True)
