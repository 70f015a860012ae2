"""Measure `receive_upload`: its cold import, its invocations, and what it reads of a file.

Each round runs `bench/receive_upload_probe.py` in a new process, with the package that
`./run deploy` builds.
"""

from __future__ import annotations

import json
import statistics
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.function_package import build_package, run_in_function_environment

_PROBE = Path(__file__).with_name("receive_upload_probe.py")
# AWS Lambda Developer Guide, "Configure Lambda function memory": 1,769 MB are equal to one vCPU.
_INVOCATION_CPU = 512 / 1769
_ROWS = (
    ("import of the function", "import", 1.0, 400),
    ("creation of the clients", "clients", 1.0, None),
    ("first invocation", "first", _INVOCATION_CPU, None),
    ("warm invocation, without AWS calls", "own", _INVOCATION_CPU, 50),
    ("warm invocation, with all of boto3", "warm", _INVOCATION_CPU, None),
)


def bench_receive_upload(rounds: int, console: Console) -> None:
    """Print the medians of the times, and the greatest number of bytes read of a file.

    Args:
        rounds: Number of new processes.
        console: Where to print.
    """
    with tempfile.TemporaryDirectory(prefix="rental-kpi-bench-") as folder:
        package = build_package(Path(folder) / "build")
        outputs = [run_in_function_environment(package, [str(_PROBE)]) for _ in range(rounds)]
    results = [json.loads(output.splitlines()[-1]) for output in outputs]
    table = Table("receive_upload", "CPU here", "at 512 MB", "goal", title="Milliseconds")
    for label, name, cpu_share, goal in _ROWS:
        milliseconds = 1000 * statistics.median(result[name] for result in results)
        shown_goal = f"{goal}" if goal else ""
        at_512 = f"{milliseconds / cpu_share:.0f}"
        table.add_row(label, f"{milliseconds:.1f}", at_512, shown_goal)
    console.print(table)
    bytes_read = max(result["bytes_read"] for result in results)
    console.print(f"Bytes read of a file of {results[0]['file_bytes']:,}: {bytes_read:,}")
    console.print("Goal: at most 1,048,576")
