"""Stands for spark-submit where a test is about what surrounds the jobs: the oracle answers.

    python -m tests.support.quick_spark … JOB.py --input URI --output URI --run-id ID

It runs where a step of the local cloud does: a bucket lies in `s3/<bucket>`. What it writes is what
the jobs would; only the end-to-end tests that are about Spark pay for Spark.

A run whose id begins with HANGS leaves a file of that name in its folder, and waits until it is
ended; so it is with BREAKS, but that its KPI job fails once the other one is under way.
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
from contract.kpi_tables import KPI_TABLES
from tests.oracle import Expected, RefusedFileError, expected
from tests.support.waiting import wait_until

HANGS = "hangs"
BREAKS = "breaks"
BROKEN = "it breaks, as it was told"
_TYPES = {"string": "VARCHAR", "int": "INTEGER", "timestamp": "TIMESTAMPTZ"}


def main(words: Sequence[str]) -> int:
    """Do one job's work; exit codes are the jobs' own."""
    script = next(word for word in words if word.endswith(".py"))
    options = _options(words[list(words).index(script) + 1 :])
    job = Path(script).stem
    if options.run_id.startswith((HANGS, BREAKS)):
        if options.run_id.startswith(BREAKS) and job == "kpis":
            wait_until(lambda: any(Path("..").glob(f"*/{HANGS}")))
            _say(job, BROKEN)
            return 1
        Path(HANGS).write_text(f"{os.getpid()}\n")
        signal.pause()
    try:
        found = expected(_local(options.input), personal_data=options.personal_data)
    except RefusedFileError as error:
        _say(job, str(error))
        return 2
    output = _local(options.output)
    if job == "kpis":
        _write_kpis(found, output, options)
    else:
        _write_accepted(found, output, options.run_id)
    _say(job, f"run {options.run_id} is complete")
    return 0


def _say(job: str, words: str) -> None:
    print(f"{job}: {words}", file=sys.stderr)


def _options(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    for name in ("--input", "--output", "--run-id"):
        parser.add_argument(name, required=True)
    parser.add_argument("--personal-data", action="store_true")
    return parser.parse_args(words)


def _local(uri: str) -> Path:
    place = urlsplit(uri)
    return Path("s3") / place.netloc / place.path.lstrip("/")


def _write_accepted(found: Expected, output: Path, run_id: str) -> None:
    for dataset in DATASETS:
        columns = dataset.curated_columns
        _write(
            output / layout.curated_prefix(dataset, run_id), columns, found.accepted[dataset.name]
        )
        texts = [(name, "string") for name in (*dataset.column_names, "raw_record")]
        columns = (*texts, ("reject_reasons", "VARCHAR[]"))
        _write(
            output / layout.quarantine_prefix(dataset, run_id),
            columns,
            found.rejected[dataset.name],
        )
    _report(output, layout.TRANSFORMATION_JOB, run_id, found.transformation)


def _write_kpis(found: Expected, output: Path, options: argparse.Namespace) -> None:
    for table in KPI_TABLES:
        columns = table.columns_for(options.personal_data)
        _write(output / layout.kpi_prefix(table, options.run_id), columns, found.tables[table.name])
    _report(output, layout.KPI_JOB, options.run_id, found.kpis)


def _write(folder: Path, columns: Sequence[tuple[str, str]], rows: list[dict[str, Any]]) -> None:
    folder.mkdir(parents=True)
    names = [name for name, _ in columns]
    with duckdb.connect() as database:
        database.execute("SET TimeZone = 'UTC'")
        types = ", ".join(f'"{name}" {_TYPES.get(kind, kind)}' for name, kind in columns)
        database.execute(f"CREATE TABLE rows ({types})")
        if rows:
            places = ", ".join("?" for _ in names)
            database.executemany(
                f"INSERT INTO rows VALUES ({places})",  # noqa: S608 - question marks alone
                [[row.get(name) for name in names] for row in rows],
            )
        database.table("rows").write_parquet(str(folder / "part-0.parquet"))


def _report(output: Path, job: str, run_id: str, report: dict[str, Any]) -> None:
    path = output / layout.job_report_key(job, run_id)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"run_id": run_id, **report}))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
