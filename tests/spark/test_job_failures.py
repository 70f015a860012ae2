"""Tests of the files that a failed job leaves behind, and of its error."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest
from pyspark.sql import DataFrame

import spark.kpis
import spark.reading.csv_reader
import spark.transformation_job
from sample_data import write_sample
from spark.errors import InputError
from spark.job import get_input_problem
from tests.spark.conftest import RunJob
from tests.support.results import read_files, read_report, read_table


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    write_sample(folder, rentals=5)
    return folder


class _SimulatedError(Exception):
    pass


def _fail_writes(monkeypatch: pytest.MonkeyPatch, job: ModuleType, after: int) -> None:
    """Make the job's writes fail after the given number of successful writes."""
    successful_writes = iter(range(after))
    write_table = job.write_table

    def write_or_fail(rows: DataFrame, uri: str) -> None:
        if next(successful_writes, None) is None:
            raise _SimulatedError
        write_table(rows, uri)

    monkeypatch.setattr(job, "write_table", write_or_fail)


def test_failed_write_leaves_other_runs_unchanged_and_can_be_repeated(
    source: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    run_transformation: RunJob,
    run_kpis: RunJob,
) -> None:
    first = tmp_path / "first"
    write_sample(first, rentals=5, seed=1)
    output = run_transformation(first, run_id="first")
    before = read_files(output)
    for job, run, report in (
        (spark.transformation_job, run_transformation, "transformation.json"),
        (spark.kpis, run_kpis, "kpis.json"),
    ):
        with monkeypatch.context() as patch:
            _fail_writes(patch, job, after=2)
            with pytest.raises(_SimulatedError):
                run(source, run_id="second")
        assert read_files(output, excluding="second") == before
        assert not (output / "runs" / "second" / report).exists()
    run_kpis(source, run_id="second")
    # The rows that the failed attempt wrote are replaced.
    for table, totals in read_report(output, "kpis", "second")["tables"].items():
        rows = read_table(output / "kpi_output" / table / "run_id=second")
        assert len(rows) == totals["rows"]
    assert read_files(output, excluding="second") == before


def test_complete_run_is_never_overwritten(
    source: Path, tmp_path: Path, run_transformation: RunJob, run_kpis: RunJob
) -> None:
    output = tmp_path / "out"
    (output / "runs" / "r1").mkdir(parents=True)
    for job, run in (("transformation", run_transformation), ("kpis", run_kpis)):
        (output / "runs" / "r1" / f"{job}.json").write_text("{}")
        with pytest.raises(InputError, match="run r1 is already complete"):
            run(source)
    assert len(read_files(output)) == 2


def test_curated_requires_a_complete_transformation_job(tmp_path: Path, run_kpis: RunJob) -> None:
    with pytest.raises(InputError, match="the transformation job of run r1 is not complete"):
        run_kpis(None, curated=True)
    assert not (tmp_path / "out").exists()


def test_error_lists_every_invalid_file(source: Path, run_kpis: RunJob, tmp_path: Path) -> None:
    (source / "users.csv").unlink()
    (source / "vehicles.csv").write_bytes(b"\x1f\x8b\x08 gzip")
    with pytest.raises(InputError) as error_info:
        run_kpis(source)
    assert "users.csv: file not found" in str(error_info.value)
    assert "vehicles.csv: the file is gzip-compressed, not CSV" in str(error_info.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"], ids=["LF", "CRLF"])
@pytest.mark.parametrize(
    "line",
    [b"1,Caf\xe9,x,y,CA,12345,0,0", b"1,Cafe,x,y,CA,12345,0,\xe2", b'1,"\xe9\n",x,y,CA,1,0,0'],
)
def test_invalid_utf8_beyond_the_head_fails_the_job(
    line: bytes,
    line_end: bytes,
    source: Path,
    monkeypatch: pytest.MonkeyPatch,
    run_kpis: RunJob,
    tmp_path: Path,
) -> None:
    monkeypatch.setattr(spark.reading.csv_reader, "HEAD_BYTES", 400)
    with (source / "locations.csv").open("ab") as file:
        file.write(line + line_end)
    with pytest.raises(Exception) as error_info:  # noqa: PT011 - Spark wraps the error
        run_kpis(source)
    problem = "locations.csv is not valid UTF-8; save it as UTF-8 and upload it again"
    assert get_input_problem(error_info.value) == problem
    assert not (tmp_path / "out" / "runs").exists()
