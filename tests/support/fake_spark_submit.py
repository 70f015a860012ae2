"""A fake spark-submit that writes the output of a job with the oracle instead of Spark.

Usage:
    python -m tests.support.fake_spark_submit … JOB.py --input URI --output URI --run-id ID

It is for tests of what surrounds the jobs, because it is much faster than Spark. It must run in a
folder in which the local cloud runs steps, where the bucket is the folder `s3/<bucket>`.

Two kinds of runs simulate problems:

- A job of a run whose ID begins with `HANGING_BATCH` writes its process ID to `PID_FILE` in its
  folder and waits until it is terminated.
- In a run whose ID begins with `FAILING_BATCH`, the transformation job waits in the same way. The
  KPI job fails as soon as the transformation job is waiting.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import duckdb

from contract import layout
from contract.datasets import DATASETS
from contract.exit_codes import EXIT_INTERNAL_ERROR, EXIT_INVALID_INPUT, EXIT_OK
from contract.kpi_tables import KPI_TABLES
from tests.oracle import Expected, RejectedFileError, compute_expected
from tests.support.waiting import wait_until

HANGING_BATCH = "hanging"
FAILING_BATCH = "failing"
FAILURE_MESSAGE = "simulated failure"
PID_FILE = "waiting-job.pid"
_DUCKDB_TYPES = {"string": "VARCHAR", "int": "INTEGER", "timestamp": "TIMESTAMPTZ"}


def main(arguments: Sequence[str]) -> int:
    """Write the output of one job and return the job's exit code."""
    script = next(argument for argument in arguments if argument.endswith(".py"))
    options = _parse_options(arguments[list(arguments).index(script) + 1 :])
    job = Path(script).stem
    if options.run_id.startswith((HANGING_BATCH, FAILING_BATCH)):
        if options.run_id.startswith(FAILING_BATCH) and job == "kpis":
            wait_until(lambda: any(Path("..").glob(f"*/{PID_FILE}")))
            _log(job, FAILURE_MESSAGE)
            return EXIT_INTERNAL_ERROR
        Path(PID_FILE).write_text(f"{os.getpid()}\n")
        signal.pause()
    try:
        expected = compute_expected(_local_path(options.input), personal_data=options.personal_data)
    except RejectedFileError as error:
        _log(job, str(error))
        return EXIT_INVALID_INPUT
    output = _local_path(options.output)
    if job == "kpis":
        _write_kpi_tables(expected, output, options)
    else:
        _write_datasets(expected, output, options.run_id)
    _log(job, f"the job of run {options.run_id} is complete")
    return EXIT_OK


def _log(job: str, message: str) -> None:
    print(f"{job}: {message}", file=sys.stderr)


def _parse_options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    for name in ("--input", "--output", "--run-id"):
        parser.add_argument(name, required=True)
    parser.add_argument("--personal-data", action="store_true")
    return parser.parse_args(arguments)


def _local_path(uri: str) -> Path:
    parts = urlsplit(uri)
    return Path("s3") / parts.netloc / parts.path.lstrip("/")


def _write_datasets(expected: Expected, output: Path, run_id: str) -> None:
    for dataset in DATASETS:
        columns = dataset.curated_columns
        _write_table(
            output / layout.curated_prefix(dataset, run_id),
            columns,
            expected.accepted[dataset.name],
        )
        raw_columns = [(name, "string") for name in (*dataset.column_names, "raw_record")]
        columns = (*raw_columns, ("reject_reasons", "VARCHAR[]"))
        _write_table(
            output / layout.quarantine_prefix(dataset, run_id),
            columns,
            expected.rejected[dataset.name],
        )
    _write_report(output, layout.TRANSFORMATION_JOB, run_id, expected.transformation)


def _write_kpi_tables(expected: Expected, output: Path, options: argparse.Namespace) -> None:
    for table in KPI_TABLES:
        columns = table.columns_for(options.personal_data)
        _write_table(
            output / layout.kpi_prefix(table, options.run_id),
            columns,
            expected.tables[table.name],
        )
    _write_report(output, layout.KPI_JOB, options.run_id, expected.kpis)


def _write_table(
    folder: Path, columns: Sequence[tuple[str, str]], rows: list[dict[str, Any]]
) -> None:
    folder.mkdir(parents=True)
    names = [name for name, _ in columns]
    with duckdb.connect() as database:
        database.execute("SET TimeZone = 'UTC'")
        types = ", ".join(
            f'"{name}" {_DUCKDB_TYPES.get(sql_type, sql_type)}' for name, sql_type in columns
        )
        database.execute(f"CREATE TABLE rows ({types})")
        if rows:
            placeholders = ", ".join("?" for _ in names)
            database.executemany(
                f"INSERT INTO rows VALUES ({placeholders})",  # noqa: S608 - only question marks
                [[row.get(name) for name in names] for row in rows],
            )
        database.table("rows").write_parquet(str(folder / "part-0.parquet"))


def _write_report(output: Path, job: str, run_id: str, report: dict[str, Any]) -> None:
    path = output / layout.job_report_key(job, run_id)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"run_id": run_id, **report}))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
