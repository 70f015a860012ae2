"""`./run jobs`: both jobs in processes of their own, as users and EMR start them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, ClassVar

import pytest

from local.spark.job_runner import JobsRequest, run_jobs
from sample_data import write_sample
from tests.oracle import compute_expected
from tests.support.comparison import assert_kpis_match, assert_transformation_matches
from tests.support.results import REAL_DATA, read_files
from tests.support.waiting import wait_until

PROJECT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.xdist_group("jobs_command")  # the tests share one run of the command


@pytest.fixture(scope="module")
def path_without_java(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return a PATH with every command of this machine except those of Java."""
    folder = tmp_path_factory.mktemp("bin")
    for directory in map(Path, os.environ["PATH"].split(os.pathsep)):
        for command in sorted(directory.glob("*")) if directory.is_dir() else ():
            link = folder / command.name
            if not command.name.startswith("java") and not link.is_symlink():
                link.symlink_to(command)
    return str(folder)


@pytest.fixture(scope="module")
def real_run(
    tmp_path_factory: pytest.TempPathFactory, path_without_java: str
) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """Run the command on the real data, on a machine without Java.

    Returns:
        The output folder and the completed process.
    """
    output = tmp_path_factory.mktemp("real") / "out"
    environment = {name: value for name, value in os.environ.items() if name != "JAVA_HOME"}
    command = [sys.executable, "-P", "-m", "cli", "jobs", str(REAL_DATA), str(output)]
    process = subprocess.run(
        [*command, "--run-id", "first"],
        env=environment
        | {"PATH": path_without_java, "PYTHONPATH": f"{PROJECT}{os.pathsep}{PROJECT / 'src'}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    return output, process


def test_results_of_real_data_match_the_oracle_to_the_cent(
    real_run: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    output, process = real_run
    # The first run with a Java creates an archive of Spark's classes.
    archive = "run: preparing Spark to start faster (once; takes some seconds)\n"
    assert (process.returncode, process.stderr.removeprefix(archive)) == (0, "")
    expected = compute_expected(REAL_DATA)
    assert expected.transformation["accepted_revenue"] == "16200620.00"
    assert_transformation_matches(output, "first", expected)
    assert_kpis_match(output, "first", expected)


def test_command_shows_the_kpis(
    real_run: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    _, process = real_run
    for text in ("16,200,620.00", "733,207.00", "Bean LLC", "88,170.00", "8,139", "2024-05-31"):
        assert text in process.stdout
    assert "kpis [6/6]" in process.stdout


def test_command_writes_the_report(
    real_run: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    output, process = real_run
    path = output / "reports" / "first" / "report.html"
    assert str(path) in process.stdout
    page = path.read_text("utf-8")
    data = json.loads(page.split('id="report-data">')[1].split("</script>")[0])
    assert data["run_id"] == "first"
    assert {row["revenue"] for row in data["answers"]["sums"]} == {"16200620.00"}
    assert data["answers"]["coordinates"] == [
        {"locations": "300", "checked": "300", "in_state": "1"}
    ]
    assert [step["name"] for step in data["steps"]][-1]
    # No user is named, and no user ID occurs.
    for line in (REAL_DATA / "users.csv").read_text("utf-8").splitlines()[1:200]:
        user_id, _, _, email, *_ = line.split(",")
        assert user_id not in page
        assert email not in page


class _RecordedProcess(subprocess.Popen[str]):
    """A process whose ID can be looked up."""

    pids: ClassVar[list[int]] = []

    def __init__(self, command: list[str], **options: Any) -> None:
        super().__init__(command, **options)
        self.pids.append(self.pid)


@pytest.mark.parametrize(
    ("killed_job", "last_phase"), [("transformation_job", "writing"), ("kpis", "daily_metrics")]
)
def test_killed_jobs_do_not_change_an_earlier_run(
    killed_job: str,
    last_phase: str,
    real_run: tuple[Path, subprocess.CompletedProcess[str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    output, _ = real_run
    run_id = f"killed-{killed_job}"
    before = read_files(output)
    write_sample(tmp_path, rentals=5)
    monkeypatch.setattr("local.spark.job_runner.subprocess.Popen", _RecordedProcess)

    def kill(job: str, _phase: int, _phases: int, description: str) -> None:
        if job == killed_job and description.endswith(last_phase):
            os.killpg(_RecordedProcess.pids[-1], signal.SIGKILL)

    result = run_jobs(JobsRequest(tmp_path, output, run_id, "1g"), kill)
    assert result.exit_code != 0
    assert read_files(output, excluding=run_id) == before
    assert not (output / "runs" / run_id / "kpis.json").exists()
    assert (output / "runs" / run_id).exists() == (killed_job == "kpis")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_stopping_the_command_stops_its_processes(number: signal.Signals, tmp_path: Path) -> None:
    write_sample(tmp_path / "in", rentals=5)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    log = tmp_path / "out" / "logs" / "r1.log"
    command = [
        sys.executable,
        "-P",
        "-m",
        "cli",
        "jobs",
        str(tmp_path / "in"),
        str(tmp_path / "out"),
    ]
    environment = {"TMPDIR": str(scratch), "PYTHONPATH": f"{PROJECT}{os.pathsep}{PROJECT / 'src'}"}
    # A test process in the background ignores SIGINT, and its child processes would inherit that.
    original_handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    running = subprocess.Popen(
        [*command, "--run-id", "r1"], env=os.environ | environment, stderr=subprocess.DEVNULL
    )
    signal.signal(signal.SIGINT, original_handler)
    assert wait_until(lambda: log.exists() and log.stat().st_size > 0)
    running.send_signal(number)
    assert running.wait(timeout=30) == 128 + number
    # The folder is deleted after both process groups have been killed.
    assert list(scratch.glob("rental-kpi-*")) == []
    assert not (tmp_path / "out" / "runs").exists()
