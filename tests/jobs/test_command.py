"""`./run jobs`: both jobs as processes of their own, as people and the cluster start them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, ClassVar

import pytest

from local.spark.job_runner import JobsRequest, run_jobs
from pipeline.release.spark_package import ENTRY_POINTS
from sample_data import write_sample
from tests.oracle import compute_expected
from tests.support.comparison import assert_kpis_match, assert_transformation_matches
from tests.support.results import REAL_DATA, read_files
from tests.support.waiting import wait_until

PROJECT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.xdist_group("command")  # the tests share one run of the command


@pytest.fixture(scope="module")
def path_without_java(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder with every command of the PATH but those of Java."""
    folder = tmp_path_factory.mktemp("bin")
    for place in os.environ["PATH"].split(os.pathsep):
        for command in sorted(Path(place).glob("*")) if Path(place).is_dir() else ():
            link = folder / command.name
            if not command.name.startswith("java") and not link.is_symlink():
                link.symlink_to(command)
    return str(folder)


@pytest.fixture(scope="module")
def real_run(
    tmp_path_factory: pytest.TempPathFactory, path_without_java: str
) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """The real data through the command, on a machine without Java."""
    output = tmp_path_factory.mktemp("real") / "out"
    environment = {name: value for name, value in os.environ.items() if name != "JAVA_HOME"}
    command = [sys.executable, "-P", "-m", "cli", "jobs", str(REAL_DATA), str(output)]
    done = subprocess.run(
        [*command, "--run-id", "first"],
        env=environment
        | {"PATH": path_without_java, "PYTHONPATH": f"{PROJECT}{os.pathsep}{PROJECT / 'src'}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    return output, done


def test_real_data_to_the_cent(
    real_run: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    output, done = real_run
    assert (done.returncode, done.stderr) == (0, "")
    expected = compute_expected(REAL_DATA)
    assert expected.transformation["accepted_revenue"] == "16200620.00"
    assert_transformation_matches(output, "first", expected)
    assert_kpis_match(output, "first", expected)


def test_the_command_shows_the_kpis(
    real_run: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    _, done = real_run
    for words in ("16,200,620.00", "733,207.00", "Bean LLC", "88,170.00", "8,139", "2024-05-31"):
        assert words in done.stdout
    assert "kpis [5/5]" in done.stdout


class _Recorded(subprocess.Popen[str]):
    """A process that can be found by the program that it runs."""

    by_program: ClassVar[dict[str, int]] = {}

    def __init__(self, command: list[str], **options: Any) -> None:
        super().__init__(command, **options)
        self.by_program.update({Path(word).stem: self.pid for word in command})


def test_killed_jobs_harm_no_earlier_run(
    real_run: tuple[Path, subprocess.CompletedProcess[str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    output, _ = real_run
    before = read_files(output)
    write_sample(tmp_path, rentals=5)
    monkeypatch.setattr("local.spark.job_runner.subprocess.Popen", _Recorded)
    killed: list[str] = []

    def kill(job: str, step: int, *_: object) -> None:
        if step == 3:
            killed.append(job)
            os.killpg(_Recorded.by_program[job], signal.SIGKILL)

    ends = run_jobs(JobsRequest(tmp_path, output, "second", "1g"), kill)
    assert set(killed) == {job for job, (code, _) in ends.items() if code != 0} == set(ENTRY_POINTS)
    assert read_files(output, excluding="second") == before
    assert not (output / "runs" / "second").exists()
    assert (output / "output" / "users" / "run_id=second").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_stopping_the_command_ends_what_it_started(number: signal.Signals, tmp_path: Path) -> None:
    write_sample(tmp_path / "in", rentals=5)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    logs = tmp_path / "out" / "logs" / "r1"
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
    # Tests that run in the background inherit, and would pass on, that SIGINT is ignored.
    inherited = signal.signal(signal.SIGINT, signal.default_int_handler)
    running = subprocess.Popen(
        [*command, "--run-id", "r1"], env=os.environ | environment, stderr=subprocess.DEVNULL
    )
    signal.signal(signal.SIGINT, inherited)
    assert wait_until(lambda: len(list(logs.glob("*.log"))) == len(ENTRY_POINTS))
    running.send_signal(number)
    assert running.wait(timeout=30) == 128 + number
    # The folder goes when both jobs have ended, and they end with their process groups.
    assert list(scratch.glob("rental-kpi-*")) == []
    assert not (tmp_path / "out" / "runs").exists()
