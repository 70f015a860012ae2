"""Run the linters, the type checker, and the tests."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from local.errors import UserError
from local.spark.java import find_java_home

_PROJECT = Path(__file__).resolve().parents[2]
_CLUSTER_SOURCES = ("src/contract", "src/spark")

LINT = "lint"
SPARK4 = "spark4"
SOAK = "soak"
SEPARATE_SUITES = (SPARK4, SOAK)
"""The suites that are not part of a run of all tests."""
SUITES = {
    LINT: (),
    "contract": ("tests/contract", "tests/oracle"),
    "cli": ("tests/cli",),
    "functional": ("tests/functional",),
    "infra": ("tests/infra",),
    "spark": ("tests/spark",),
    "jobs": ("tests/jobs",),
    "report": ("tests/report",),
    "local": ("tests/local",),
    SPARK4: ("tests/spark",),
    SOAK: ("tests/soak",),
}
"""The paths that pytest runs for each suite."""

_LINTERS: tuple[Sequence[str], ...] = (
    ("ruff", "check", "."),
    ("ruff", "format", "--check", "."),
    ("mypy",),
    ("lint-imports", "--no-logo"),
    ("vermin", "--quiet", "--no-tips", "--violations", "--target=3.9-", *_CLUSTER_SOURCES),
)
_COVERAGE = ("-m", "slipcover", "--source", "src,report", "--skip-covered")


def run_checks(suite: str, pytest_arguments: Sequence[str] = ()) -> int:
    """Run one suite, or the linters and all tests.

    Args:
        suite: A key of `SUITES`. If it is empty, all of them except `SEPARATE_SUITES` run.
        pytest_arguments: Extra arguments for pytest.

    Returns:
        The exit code of the first command that failed, or 0.

    Raises:
        UserError: The suite does not exist, or no suitable Java was found.
    """
    if suite and suite not in SUITES:
        raise UserError(f"unknown test suite {suite!r}: choose one of {', '.join(SUITES)}")
    if suite in ("", LINT):
        for linter in _LINTERS:
            print(f"run: {' '.join(linter)}", flush=True)
            exit_code = _run([str(Path(sys.executable).parent / linter[0]), *linter[1:]])
            if exit_code != 0:
                return exit_code
    if suite == LINT:
        return 0
    python = _prepare_spark4_environment() if suite == SPARK4 else sys.executable
    # Only all suites together cover what each of them leaves out.
    coverage = () if suite else _COVERAGE
    paths = SUITES[suite] if suite else ("tests",)
    # Soak tests measure times, so they run one after the other.
    workers = ("-n0",) if suite == SOAK else ()
    return _run([python, *coverage, "-m", "pytest", *paths, *workers, *pytest_arguments])


def _prepare_spark4_environment() -> str:
    """Return the Python of an environment with Spark 4, which is created if it does not exist.

    Raises:
        UserError: The Java of this machine lacks a module that Spark 4 needs, as the Java that pip
            installs does.
    """
    if "jdk.incubator.vector" not in _list_java_modules():
        raise UserError("Spark 4 needs a full JDK 17: install one and set JAVA_HOME to its folder")
    environment = _PROJECT / ".venv-spark4"
    python = environment / "bin" / "python"
    install = [str(python), "-m", "pip", "install", "--quiet", "--no-build-isolation", "--no-deps"]
    if not python.exists():
        print("run: creating .venv-spark4 (once; takes a minute or two)", flush=True)
        subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
    for group in ("build", SPARK4):
        file = _PROJECT / "requirements" / f"{group}.txt"
        subprocess.run([*install, "--require-hashes", "-r", str(file)], check=True)
    return str(python)


def _list_java_modules() -> str:
    java = find_java_home() / "bin" / "java"
    result = subprocess.run([java, "--list-modules"], capture_output=True, text=True, check=True)
    return result.stdout


def _run(command: Sequence[str]) -> int:
    environment = os.environ | {"JAVA_HOME": str(find_java_home())}
    return subprocess.run(command, cwd=_PROJECT, env=environment, check=False).returncode
