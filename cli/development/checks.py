"""`./run test`: linters, types and tests."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from local.errors import UserError
from local.spark.java import java_home

PROJECT = Path(__file__).resolve().parents[2]
CLUSTER_SOURCE = ("src/contract", "src/spark")

LINTERS: tuple[Sequence[str], ...] = (
    ("ruff", "check", "."),
    ("ruff", "format", "--check", "."),
    ("mypy",),
    ("vermin", "--quiet", "--no-tips", "--violations", "--target=3.9-", *CLUSTER_SOURCE),
)
SPARK4 = "spark4"
PARTS = {
    "lint": (),
    "contract": ("tests/contract", "tests/oracle"),
    "cli": ("tests/cli",),
    "functional": ("tests/functional",),
    "infra": ("tests/infra",),
    "spark": ("tests/spark",),
    "jobs": ("tests/jobs",),
    "local": ("tests/local",),
    SPARK4: ("tests/spark",),
}


def run_checks(part: str, more: Sequence[str] = ()) -> int:
    """Run a part, or everything but `spark4`; the exit code of the first thing that fails.

    `more` are further arguments for pytest.
    """
    if part and part not in PARTS:
        raise UserError(f"no part {part!r}; there are {', '.join(PARTS)}")
    if part in ("", "lint"):
        for linter in LINTERS:
            print(f"run: {' '.join(linter)}", flush=True)
            code = _run([str(Path(sys.executable).parent / linter[0]), *linter[1:]])
            if code != 0:
                return code
    if part == "lint":
        return 0
    python = _spark4_python() if part == SPARK4 else sys.executable
    return _run([python, "-m", "pytest", *(PARTS[part] if part else ("tests",)), *more])


def _spark4_python() -> str:
    """The Python of an environment like ours with Spark 4, made and filled where it is not yet.

    UserError without a complete Java: Spark 4 asks for a module that the one from pip lacks.
    """
    if "jdk.incubator.vector" not in _java_modules():
        raise UserError("Spark 4 needs a complete Java 17; install one and name it in JAVA_HOME")
    environment = PROJECT / ".venv-spark4"
    python = environment / "bin" / "python"
    install = [str(python), "-m", "pip", "install", "--quiet", "--no-build-isolation", "--no-deps"]
    if not python.exists():
        print("run: making .venv-spark4 (once; this takes a minute or two)", flush=True)
        subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
    for group in ("build", SPARK4):
        file = PROJECT / "requirements" / f"{group}.txt"
        subprocess.run([*install, "--require-hashes", "-r", str(file)], check=True)
    return str(python)


def _java_modules() -> str:
    java = java_home() / "bin" / "java"
    listed = subprocess.run([java, "--list-modules"], capture_output=True, text=True, check=True)
    return listed.stdout


def _run(command: Sequence[str]) -> int:
    environment = os.environ | {"JAVA_HOME": str(java_home())}
    return subprocess.run(command, cwd=PROJECT, env=environment, check=False).returncode
