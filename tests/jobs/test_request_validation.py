"""`./run jobs`: the validation of the request and the input files before Spark starts."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from local.errors import UserError
from local.spark.job_runner import JobsRequest, check_request, run_jobs
from sample_data import write_sample

TIME = "2026-11-25 20:41:16,700"


@pytest.fixture
def input_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    write_sample(folder, rentals=2)
    return folder


def _get_problems(input_folder: Path, output_folder: Path, run_id: str = "r1") -> list[str]:
    with pytest.raises(UserError) as caught:
        check_request(JobsRequest(input_folder, output_folder, run_id, "1g"))
    return str(caught.value).splitlines()


def test_every_missing_or_invalid_file_is_reported(input_folder: Path, tmp_path: Path) -> None:
    (input_folder / "users.csv").unlink()
    (input_folder / "vehicles.csv").write_bytes(b"PAR1...")
    missing, parquet = _get_problems(input_folder, tmp_path / "out")
    assert missing.startswith("users.csv: file not found in ")
    assert parquet.startswith("vehicles.csv: the file is a Parquet file, not CSV")


def test_missing_input_folder_is_reported(tmp_path: Path) -> None:
    [line] = _get_problems(tmp_path / "nowhere", tmp_path / "out")
    assert "nowhere is not a folder" in line


@pytest.mark.parametrize(
    ("output", "exit_code", "message"),
    [
        (
            ["java.lang.OutOfMemoryError: Java heap space", f"{TIME} kpis: run r1 failed: end"],
            52,
            "Spark ran out of memory",
        ),
        (["java.io.IOException: No space left on device"], 1, "a disk is full"),
        ([f"{TIME} kpis: run r1 failed: a bug", "a trace"], 1, "run r1 failed: a bug"),
        (["WARN x: No space left on device", f"{TIME} kpis: no users.csv"], 2, "no users.csv"),
        ([f"{TIME} kpis: column `No space left on device` is ignored"], 1, "column `No space left"),
        ([f"{TIME} x: column `jobs: [1/9] x` is ignored", "last line", ""], 1, "last line"),
        ([f"{TIME} kpis: [1/6] reading"], -9, "Spark was killed, most likely because"),
        ([f"{TIME} kpis: [1/6] reading"], 137, "Spark was killed, most likely because"),
    ],
)
def test_result_names_the_cause_of_a_failure(
    output: list[str],
    exit_code: int,
    message: str,
    input_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    program = f"""import os
print({chr(10).join(output)!r}, flush=True)
os.kill(os.getpid(), 9) if {exit_code} == -9 else os._exit({exit_code})"""
    monkeypatch.setattr(
        "local.spark.job_runner.spark_submit_command", lambda *_: [sys.executable, "-c", program]
    )
    request = JobsRequest(input_folder, tmp_path / "out", "r1", "1g")
    result = run_jobs(request, lambda *_: None)
    assert result.exit_code == exit_code
    assert result.last_message.startswith(message)
    assert request.log_file.read_text() == "\n".join([*output, ""])


def test_full_disk_of_the_log_is_named(
    input_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = f"print('{TIME} kpis: run r1 failed: shut down'); raise SystemExit(1)"
    monkeypatch.setattr(
        "local.spark.job_runner.spark_submit_command", lambda *_: [sys.executable, "-c", program]
    )
    request = JobsRequest(input_folder, tmp_path / "out", "r1", "1g")
    request.log_file.parent.mkdir(parents=True)
    request.log_file.symlink_to("/dev/full")  # every write to it fails as on a full disk
    result = run_jobs(request, lambda *_: None)
    assert result.exit_code == 1
    assert result.last_message.startswith("a disk is full")


@pytest.mark.parametrize("memory", ["", "0", "1", "abc", "-1g", "64m", "511m", "2t", "1g1", "١g"])
def test_invalid_memory_is_reported(memory: str, input_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not a valid --memory: use a number with m or g"):
        check_request(JobsRequest(input_folder, tmp_path / "out", "r1", memory))


def test_path_with_wildcards_is_reported(input_folder: Path, tmp_path: Path) -> None:
    [line] = _get_problems(input_folder, tmp_path / "out[1]")
    assert "out[1]: Spark treats * ? [ ] { } \\ in a path as wildcards" in line


def test_existing_or_invalid_run_id_is_reported(input_folder: Path, tmp_path: Path) -> None:
    report = tmp_path / "out" / "runs" / "r1" / "kpis.json"
    report.parent.mkdir(parents=True)
    report.write_text("{}")
    assert "out already contains run r1: choose" in _get_problems(input_folder, tmp_path / "out")[0]
    report.rename(report.with_name("transformation.json"))
    assert "contains an unfinished run r1" in _get_problems(input_folder, tmp_path / "out")[0]
    assert "is not a valid run ID" in _get_problems(input_folder, tmp_path / "out", "../r1")[0]


def test_valid_request_has_no_warnings(input_folder: Path, tmp_path: Path) -> None:
    assert check_request(JobsRequest(input_folder, tmp_path / "out", "r1", "1g")) == []


def test_unexpected_column_is_a_warning(input_folder: Path, tmp_path: Path) -> None:
    file = input_folder / "locations.csv"
    file.write_text(file.read_text().replace("longitude\n", "longitude,note\n"))
    [warning] = check_request(JobsRequest(input_folder, tmp_path / "out", "r1", "1g"))
    assert warning == "locations.csv: unexpected column `note` is ignored"


def test_output_path_that_is_a_file_is_reported(input_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(UserError, match=r"cannot write to .*out: Not a directory"):
        run_jobs(JobsRequest(input_folder, tmp_path / "out", "r1", "1g"), lambda *_: None)
