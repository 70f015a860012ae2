"""The report of a run of `./run jobs`: the same page as on AWS, from the files in a folder."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic

import duckdb

from contract.datasets import DATASETS, RENTALS, Dataset
from contract.layout import (
    KPI_JOB,
    TRANSFORMATION_JOB,
    is_run_id,
    job_report_key,
    report_page_key,
)
from contract.reports import KpiReport, TransformationReport
from report.inputs import InputFile, PastRun, ReportInputs, Row, RunStep
from report.page import render_page
from report.queries import QueriedTable, ReportQuery, collect_answers, list_queried_tables

_MAX_PAST_RUNS = 12


class StepRecorder:
    """Records when the phases of the jobs start. A phase ends when the next one starts."""

    def __init__(self) -> None:
        self.started_at = datetime.now(UTC)
        self._start = monotonic()
        self._phases: list[tuple[str, float]] = []

    def start(self, description: str) -> None:
        """Record that a phase starts now."""
        self._phases.append((description, monotonic() - self._start))

    def finish(self) -> list[RunStep]:
        """Return the phases. The last one ends now."""
        ends = [start for _, start in self._phases[1:]] + [monotonic() - self._start]
        return [
            RunStep(name, round(start, 1), round(end - start, 1))
            for (name, start), end in zip(self._phases, ends, strict=True)
        ]


def write_report(
    input_folder: Path,
    output_folder: Path,
    run_id: str,
    started_at: datetime,
    steps: Sequence[RunStep] = (),
) -> Path:
    """Write the report of a run in an output folder.

    Args:
        input_folder: Folder with the four files that the run read.
        output_folder: Folder with the output of this run and of earlier ones.
        run_id: ID of the run.
        started_at: When the run started.
        steps: What the run did.

    Returns:
        The path of the page.
    """
    inputs = collect_inputs(input_folder, output_folder, run_id, started_at, steps)
    path = output_folder / report_page_key(run_id)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(render_page(inputs), encoding="utf-8")
    return path


def collect_inputs(
    input_folder: Path,
    output_folder: Path,
    run_id: str,
    started_at: datetime,
    steps: Sequence[RunStep] = (),
) -> ReportInputs:
    """Collect what the report of a run is built from. The arguments are those of `write_report`."""
    runs = _list_runs(output_folder, run_id)
    previous_run_id = runs[-2] if len(runs) > 1 else None
    with duckdb.connect() as database:
        _create_history_tables(database, output_folder, [*filter(None, [previous_run_id]), run_id])

        def ask(queries: Sequence[ReportQuery]) -> list[list[Row]]:
            return [_run_query(database, query) for query in queries]

        answers = collect_answers(ask, run_id, previous_run_id, started_at.date())
    return ReportInputs(
        run_id=run_id,
        batch=input_folder.resolve().name,
        claimed_at=started_at.isoformat(),
        written_at=datetime.now(UTC).isoformat(),
        is_local=True,
        files=tuple(_describe_file(input_folder, dataset) for dataset in DATASETS),
        transformation=_read_transformation(output_folder, run_id),
        kpis=KpiReport.from_json(_read(output_folder, KPI_JOB, run_id)),
        max_rejected_percent=None,
        previous_run_id=previous_run_id,
        past_runs=tuple(_describe_run(output_folder, each) for each in runs[-_MAX_PAST_RUNS:]),
        steps=tuple(steps),
        answers=answers,
    )


def _list_runs(output_folder: Path, run_id: str) -> list[str]:
    """Return the complete runs in a folder until a run, in the order in which they ended."""
    reports = {
        path.parent.name: path.stat().st_mtime_ns
        for path in output_folder.glob(job_report_key(KPI_JOB, "*"))
        if is_run_id(path.parent.name)
    }
    ended = sorted((time, name) for name, time in reports.items() if time <= reports[run_id])
    return [*(name for _, name in ended if name != run_id), run_id]


def _create_history_tables(
    database: duckdb.DuckDBPyConnection, output_folder: Path, run_ids: Sequence[str]
) -> None:
    """Create the history tables that the crawler creates on AWS, with the rows of some runs."""
    for table in list_queried_tables():
        relations = [_read_rows(database, output_folder, table, run_id) for run_id in run_ids]
        functools.reduce(lambda one, other: one.union(other), relations).create_view(
            f"history_{table.name}"
        )


def _read_rows(
    database: duckdb.DuckDBPyConnection, output_folder: Path, table: QueriedTable, run_id: str
) -> duckdb.DuckDBPyRelation:
    files = output_folder / table.get_prefix(run_id) / "*.parquet"
    columns = [duckdb.ColumnExpression(name) for name in table.columns]
    partition = duckdb.ConstantExpression(run_id).alias("run_id")
    return database.read_parquet(str(files)).select(*columns, partition)


def _run_query(database: duckdb.DuckDBPyConnection, query: ReportQuery) -> list[Row]:
    """Run a query and return its values as text, as Athena does."""
    result = database.execute(query.text, list(query.parameters))
    names = [column[0] for column in result.description or []]
    return [
        {
            name: None if value is None else str(value)
            for name, value in zip(names, row, strict=True)
        }
        for row in result.fetchall()
    ]


def _describe_file(folder: Path, dataset: Dataset) -> InputFile:
    status = (folder / dataset.file).stat()
    modified = datetime.fromtimestamp(status.st_mtime, UTC).isoformat(timespec="seconds")
    return InputFile(dataset.name, dataset.file, modified, status.st_size)


def _describe_run(output_folder: Path, run_id: str) -> PastRun:
    report = _read_transformation(output_folder, run_id)
    path = output_folder / job_report_key(KPI_JOB, run_id)
    ended = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    return PastRun(
        run_id,
        ended.isoformat(timespec="seconds"),
        report.accepted_revenue,
        report.datasets[RENTALS.name],
        report.warnings,
    )


def _read_transformation(output_folder: Path, run_id: str) -> TransformationReport:
    return TransformationReport.from_json(_read(output_folder, TRANSFORMATION_JOB, run_id))


def _read(output_folder: Path, job: str, run_id: str) -> str:
    return (output_folder / job_report_key(job, run_id)).read_text("utf-8")
