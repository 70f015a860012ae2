"""Measure the cold import of each Lambda function as a ratio to `import boto3`.

A cold start consists of the start of the Lambda runtime, which is out of our control, and of these
imports. Each import runs in a new process, from the package that `sam build` creates, in turn with
the import of boto3.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from local.function_environment import get_function_python

_PROJECT = Path(__file__).resolve().parents[1]
_BIN_FOLDER = Path(sys.executable).parent
_BASELINE = "boto3"
_FUNCTION = "CheckRunFunction"  # any function, because all have the same package
_PROGRAM = "import time; t = time.perf_counter(); import {}; print(time.perf_counter() - t)"


def bench_cold_import(rounds: int, console: Console) -> None:
    """Print the size of the zipped package, and the median import time and ratio of each handler.

    Args:
        rounds: Number of imports of each module.
        console: Where to print.
    """
    with tempfile.TemporaryDirectory(prefix="rental-kpi-bench-") as folder:
        package = _build_package(Path(folder) / "build")
        zipped_bytes = _zip_package(package, Path(folder) / "package.zip")
        names = sorted(path.stem for path in (package / "handlers").glob("[!_]*.py"))
        modules = [_BASELINE, *(f"handlers.{name}" for name in names if _is_handler(package, name))]
        seconds: dict[str, list[float]] = {module: [] for module in modules}
        for module in modules:
            _measure(package, module)  # compiles the modules
        for _ in range(rounds):
            for module in modules:
                seconds[module].append(_measure(package, module))
    title = f"{zipped_bytes / 1e6:.2f} MB zipped"
    table = Table("import", "milliseconds", f"ratio to {_BASELINE}", title=title)
    for module, times in seconds.items():
        ratios = [time / base for time, base in zip(times, seconds[_BASELINE], strict=True)]
        median = 1000 * statistics.median(times)
        table.add_row(module, f"{median:.0f}", f"{statistics.median(ratios):.2f}")
    console.print(table)


def _build_package(folder: Path) -> Path:
    """Build the package of the functions, and return its folder."""
    runtime = f"LambdaRuntime=python{sys.version_info.major}.{sys.version_info.minor}"
    command = [str(_BIN_FOLDER / "sam"), "build", _FUNCTION, "--no-cached"]
    command += ["--build-dir", str(folder), "--parameter-overrides", runtime]
    path = f"{_BIN_FOLDER}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "SAM_CLI_TELEMETRY": "0"}
    subprocess.run(command, cwd=_PROJECT, env=environment, check=True, capture_output=True)
    return folder / _FUNCTION


def _zip_package(package: Path, target: Path) -> int:
    """Zip the package, and return the size of the zip file in bytes."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in package.rglob("*"):
            archive.write(path, path.relative_to(package))
    return target.stat().st_size


def _is_handler(package: Path, name: str) -> bool:
    return "\ndef handler(" in (package / "handlers" / f"{name}.py").read_text(encoding="utf-8")


def _measure(package: Path, module: str) -> float:
    """Import a module in a new process, and return the import time in seconds."""
    # boto3 comes from the environment of local functions, as on AWS from the Lambda runtime.
    # Everything else comes from the package.
    result = subprocess.run(
        [str(get_function_python()), "-c", _PROGRAM.format(module)],
        cwd=package,
        env=os.environ | {"PYTHONPATH": str(package), "AWS_DEFAULT_REGION": "eu-west-1"},
        check=True,
        capture_output=True,
        text=True,
    )
    return float(result.stdout)
