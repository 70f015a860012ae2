"""What a job leaves behind when it cannot finish."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest
from pyspark.sql import DataFrame

import spark.kpis
import spark.reading
import spark.transformation_job
from sample_data import write_sample
from spark.errors import InputError
from spark.job import input_problem
from tests.spark.conftest import Run
from tests.support.results import contents, read_report, read_table


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    write_sample(folder, rentals=5)
    return folder


class _Broken(Exception):  # noqa: N818 - what breaks is the test's doing
    pass


def _break(monkeypatch: pytest.MonkeyPatch, job: ModuleType, after: int) -> None:
    """Make the job's writes fail once that many have succeeded."""
    writes = iter(range(after))
    write = job.write

    def failing(rows: DataFrame, uri: str) -> None:
        if next(writes, None) is None:
            raise _Broken
        write(rows, uri)

    monkeypatch.setattr(job, "write", failing)


def test_a_failing_write_harms_no_run_and_the_next_try_completes(
    source: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    run_transformation: Run,
    run_kpis: Run,
) -> None:
    first = tmp_path / "first"
    write_sample(first, rentals=5, seed=1)
    output = run_transformation(first, run_id="first")
    before = contents(output)
    for job, run, report in (
        (spark.transformation_job, run_transformation, "transformation.json"),
        (spark.kpis, run_kpis, "kpis.json"),
    ):
        with monkeypatch.context() as patch:
            _break(patch, job, after=2)
            with pytest.raises(_Broken):
                run(source, run_id="second")
        assert contents(output, without="second") == before
        assert not (output / "runs" / "second" / report).exists()
    run_kpis(source, run_id="second")
    # What the broken try had written already is not there twice.
    for table, totals in read_report(output, "kpis", "second")["tables"].items():
        rows = read_table(output / "kpi_output" / table / "run_id=second")
        assert len(rows) == totals["rows"]
    assert contents(output, without="second") == before


def test_a_complete_run_is_never_written_over(
    source: Path, tmp_path: Path, run_transformation: Run, run_kpis: Run
) -> None:
    output = tmp_path / "out"
    (output / "runs" / "r1").mkdir(parents=True)
    for job, run in (("transformation", run_transformation), ("kpis", run_kpis)):
        (output / "runs" / "r1" / f"{job}.json").write_text("{}")
        with pytest.raises(InputError, match="run r1 is complete already"):
            run(source)
    assert len(contents(output)) == 2


def test_curated_needs_a_finished_transformation(tmp_path: Path, run_kpis: Run) -> None:
    with pytest.raises(InputError, match="run r1 has no finished transformation"):
        run_kpis(None, curated=True)
    assert not (tmp_path / "out").exists()


def test_every_unusable_file_is_named(source: Path, run_kpis: Run, tmp_path: Path) -> None:
    (source / "users.csv").unlink()
    (source / "vehicles.csv").write_bytes(b"\x1f\x8b\x08 gzip")
    with pytest.raises(InputError) as caught:
        run_kpis(source)
    assert "users.csv: no such file" in str(caught.value)
    assert "vehicles.csv: not CSV but gzip-compressed" in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_bytes_that_are_not_utf8_end_the_job_wherever_they_stand(
    source: Path, monkeypatch: pytest.MonkeyPatch, run_kpis: Run, tmp_path: Path
) -> None:
    monkeypatch.setattr(spark.reading, "HEAD_BYTES", 400)
    with (source / "locations.csv").open("ab") as file:
        file.write("1,Café,x,y,CA,12345,0,0\n".encode("latin-1"))
    with pytest.raises(Exception) as caught:  # noqa: PT011 - whatever Spark wraps it in
        run_kpis(source)
    problem = "locations.csv is not UTF-8; save it as UTF-8 and drop it again"
    assert input_problem(caught.value) == problem
    assert not (tmp_path / "out" / "runs").exists()
