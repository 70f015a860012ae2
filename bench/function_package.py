"""The package of the functions, and their Python environment."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

from local.function_bytecode import compile_package
from local.function_environment import get_function_python

_PROJECT = Path(__file__).resolve().parents[1]
_BIN_FOLDER = Path(sys.executable).parent
_FUNCTION = "CheckRunFunction"  # any function, because all have the same package


def build_package(folder: Path) -> Path:
    """Build and compile the package as `./run deploy` does, and return its folder."""
    runtime = f"LambdaRuntime=python{sys.version_info.major}.{sys.version_info.minor}"
    command = [str(_BIN_FOLDER / "sam"), "build", _FUNCTION, "--no-cached"]
    command += ["--build-dir", str(folder), "--parameter-overrides", runtime]
    path = f"{_BIN_FOLDER}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "SAM_CLI_TELEMETRY": "0"}
    subprocess.run(command, cwd=_PROJECT, env=environment, check=True, capture_output=True)
    compile_package(folder / _FUNCTION)
    return folder / _FUNCTION


def zip_package(package: Path, target: Path) -> int:
    """Zip the package, and return the size of the zip file in bytes."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in package.rglob("*"):
            archive.write(path, path.relative_to(package))
    return target.stat().st_size


def run_in_function_environment(package: Path, arguments: Sequence[str]) -> str:
    """Run Python in a new process as a function would run, and return its output.

    As on AWS, boto3 comes from the environment of the functions, and everything else from the
    package. Nobody writes bytecode, because the folder of a function is read-only on AWS.

    Args:
        package: Folder of the package.
        arguments: Arguments for Python.
    """
    result = subprocess.run(
        [str(get_function_python()), *arguments],
        cwd=package,
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(package),
            "PYTHONDONTWRITEBYTECODE": "1",
            "AWS_DEFAULT_REGION": "eu-west-1",
            "AWS_ACCESS_KEY_ID": "benchmark",
            "AWS_SECRET_ACCESS_KEY": "benchmark",
        },
        check=True,
        capture_output=True,
        text=True,
    )
    return result.stdout
