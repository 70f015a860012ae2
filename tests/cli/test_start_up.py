"""The start of `./run`: the packages that it needs."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
# Packages that Python itself loads at its start, through `.pth` files.
INTERPRETER_PACKAGES = {"setuptools"}
LIST_MODULES = """
import json, sys
import cli.__main__
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""


def normalize(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_start_up_imports_only_packages_of_the_run_group() -> None:
    environment = os.environ | {"PYTHONPATH": f"{PROJECT}{os.pathsep}{PROJECT / 'src'}"}
    result = subprocess.run(
        [sys.executable, "-P", "-c", LIST_MODULES],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    distributions = packages_distributions()
    imported = {
        normalize(name)
        for module in json.loads(result.stdout)
        for name in distributions.get(module, ())
    }
    lock_file = (PROJECT / "requirements" / "run.txt").read_text("utf-8")
    locked = {normalize(name) for name in re.findall(r"^([\w.-]+)==", lock_file, re.MULTILINE)}
    assert "typer" in imported
    assert imported - INTERPRETER_PACKAGES <= locked
