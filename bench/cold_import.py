"""Measure the cold import of each Lambda function as a ratio to `import boto3`.

A cold start consists of the start of the Lambda runtime, which is out of our control, and of these
imports. Each import runs in a new process, from the package that `./run deploy` builds, in turn
with the import of boto3.
"""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.function_package import build_package, run_in_function_environment, zip_package

_BASELINE = "boto3"
# The processor time does not depend on what else this machine does.
_PROGRAM = "import time; t = time.process_time(); import {}; print(time.process_time() - t)"


def bench_cold_import(rounds: int, console: Console) -> None:
    """Print the size of the zipped package, and the median import time and ratio of each handler.

    Args:
        rounds: Number of imports of each module.
        console: Where to print.
    """
    with tempfile.TemporaryDirectory(prefix="rental-kpi-bench-") as folder:
        package = build_package(Path(folder) / "build")
        zipped_bytes = zip_package(package, Path(folder) / "package.zip")
        names = sorted(path.stem for path in (package / "handlers").glob("[!_]*.py"))
        modules = [_BASELINE, *(f"handlers.{name}" for name in names if _is_handler(package, name))]
        seconds: dict[str, list[float]] = {module: [] for module in modules}
        for _ in range(rounds):
            for module in modules:
                output = run_in_function_environment(package, ["-c", _PROGRAM.format(module)])
                seconds[module].append(float(output))
    title = f"{zipped_bytes / 1e6:.2f} MB zipped"
    table = Table("import", "milliseconds of CPU", f"ratio to {_BASELINE}", title=title)
    for module, times in seconds.items():
        ratios = [time / base for time, base in zip(times, seconds[_BASELINE], strict=True)]
        median = 1000 * statistics.median(times)
        table.add_row(module, f"{median:.0f}", f"{statistics.median(ratios):.2f}")
    console.print(table)


def _is_handler(package: Path, name: str) -> bool:
    return "\ndef handler(" in (package / "handlers" / f"{name}.py").read_text(encoding="utf-8")
