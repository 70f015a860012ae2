"""Each function's cold import as a ratio to a bare `import boto3`, and the package's size.

A cold start is the runtime's own start, which nobody can change, and these imports. Each is timed
in a new process, in turn with the bare one, from the package that `sam build` makes.
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

PROJECT = Path(__file__).resolve().parents[1]
TOOLS = Path(sys.executable).parent
BARE = "boto3"
_TIMED = "import time; t = time.perf_counter(); import {}; print(time.perf_counter() - t)"


def bench_cold_import(rounds: int, console: Console) -> None:
    """Print the zip's size and, for each handler, the median milliseconds and ratio."""
    with tempfile.TemporaryDirectory(prefix="rental-kpi-bench-") as folder:
        package = _built(Path(folder) / "build")
        size = _zipped_size(package, Path(folder) / "package.zip")
        handlers = sorted(path.stem for path in (package / "handlers").glob("[!_]*.py"))
        modules = [BARE, *(f"handlers.{name}" for name in handlers if _has_handler(package, name))]
        seconds: dict[str, list[float]] = {module: [] for module in modules}
        for turn in range(rounds + 1):
            for module in modules:
                taken = _seconds(package, module)
                if turn > 0:  # the first round compiles
                    seconds[module].append(taken)
    table = Table("import", "milliseconds", "ratio to boto3", title=f"{size / 1e6:.2f} MB zipped")
    for module, times in seconds.items():
        ratios = [a / b for a, b in zip(times, seconds[BARE], strict=True)]
        median = 1000 * statistics.median(times)
        table.add_row(module, f"{median:.0f}", f"{statistics.median(ratios):.2f}")
    console.print(table)


def _built(folder: Path) -> Path:
    """The folder of one function's package; all have the same."""
    python = f"python{sys.version_info.major}.{sys.version_info.minor}"
    command = [str(TOOLS / "sam"), "build", "CheckRunFunction", "--no-cached"]
    command += ["--build-dir", str(folder), "--parameter-overrides", f"LambdaRuntime={python}"]
    path = f"{TOOLS}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "SAM_CLI_TELEMETRY": "0"}
    subprocess.run(command, cwd=PROJECT, env=environment, check=True, capture_output=True)
    return folder / "CheckRunFunction"


def _zipped_size(package: Path, target: Path) -> int:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in package.rglob("*"):
            archive.write(path, path.relative_to(package))
    return target.stat().st_size


def _has_handler(package: Path, name: str) -> bool:
    return "\ndef handler(" in (package / "handlers" / f"{name}.py").read_text(encoding="utf-8")


def _seconds(package: Path, module: str) -> float:
    # boto3 comes from this environment, as it comes from the runtime there; all else is packed.
    ended = subprocess.run(
        [sys.executable, "-c", _TIMED.format(module)],
        cwd=package,
        env=os.environ | {"PYTHONPATH": str(package), "AWS_DEFAULT_REGION": "eu-west-1"},
        check=True,
        capture_output=True,
        text=True,
    )
    return float(ended.stdout)
