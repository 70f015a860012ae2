"""What `./run` refuses at once, before any Spark starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from local.errors import UserError
from local.spark.job_runner import JobsRequest, check_request, run_jobs
from sample_data import write_sample


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    write_sample(folder, rentals=2)
    return folder


def _refusal(source: Path, output: Path, run_id: str = "r1") -> list[str]:
    with pytest.raises(UserError) as caught:
        check_request(JobsRequest(source, output, run_id, "1g"))
    return str(caught.value).splitlines()


def test_every_file_that_cannot_be_used_is_named(source: Path, tmp_path: Path) -> None:
    (source / "users.csv").unlink()
    (source / "vehicles.csv").write_bytes(b"PAR1 and so on")
    missing, parquet = _refusal(source, tmp_path / "out")
    assert missing.startswith("users.csv: no such file in ")
    assert parquet.startswith("vehicles.csv: the file is a Parquet file, not CSV")


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    [line] = _refusal(tmp_path / "nowhere", tmp_path / "out")
    assert "nowhere is no folder" in line


def test_a_path_that_spark_would_take_for_a_pattern(source: Path, tmp_path: Path) -> None:
    [line] = _refusal(source, tmp_path / "out[1]")
    assert "out[1]: Spark reads * ? [ ] { } \\ in a path as a pattern" in line


def test_a_run_id_that_is_taken_or_none(source: Path, tmp_path: Path) -> None:
    report = tmp_path / "out" / "runs" / "r1" / "kpis.json"
    report.parent.mkdir(parents=True)
    report.write_text("{}")
    assert "has a run r1" in _refusal(source, tmp_path / "out")[0]
    assert "is no run id" in _refusal(source, tmp_path / "out", "../r1")[0]


def test_good_files_are_not_refused(source: Path, tmp_path: Path) -> None:
    assert check_request(JobsRequest(source, tmp_path / "out", "r1", "1g")) == []


def test_an_unexpected_column_is_a_warning(source: Path, tmp_path: Path) -> None:
    file = source / "locations.csv"
    file.write_text(file.read_text().replace("longitude\n", "longitude,note\n"))
    [warning] = check_request(JobsRequest(source, tmp_path / "out", "r1", "1g"))
    assert warning == "locations.csv: unexpected column `note` is ignored"


def test_an_output_that_is_a_file(source: Path, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("in the way")
    with pytest.raises(UserError, match="out cannot be written: Not a directory"):
        run_jobs(JobsRequest(source, tmp_path / "out", "r1", "1g"), lambda *_: None)
