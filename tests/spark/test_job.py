"""Tests of the arguments, exit codes, and final log lines of a job."""

from __future__ import annotations

import logging
from argparse import Namespace
from collections.abc import Callable
from types import SimpleNamespace

import pytest

import spark.job
import spark.kpis
import spark.transformation_job
from spark.errors import InputError
from spark.job import JobArgumentParser, LogFormatter, ProgressLog, run_job

ARGUMENTS = ["--input", "in", "--output", "out", "--run-id", "r1"]
RunJob = Callable[..., int]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> RunJob:
    """A function that runs a job without a Spark session and returns its exit code."""
    monkeypatch.setattr(
        spark.job, "get_spark_session", lambda _: SimpleNamespace(stop=lambda: None)
    )

    def run_and_get_exit_code(job: Callable[..., None], arguments: list[str] = ARGUMENTS) -> int:
        with pytest.raises(SystemExit) as exit_info:
            run_job(JobArgumentParser("a_job", "A job."), job, arguments)
        return int(exit_info.value.code or 0)

    return run_and_get_exit_code


def test_successful_job_exits_with_0(run: RunJob, caplog: pytest.LogCaptureFixture) -> None:
    def job(_: object, options: Namespace) -> None:
        assert vars(options) == {"input": "in", "output": "out", "run_id": "r1"}
        ProgressLog("a_job", phases=2).start_phase("first")

    caplog.set_level(logging.INFO)
    assert run(job) == 0
    assert caplog.messages == ["[1/2] first", "the job of run r1 is complete"]


def test_input_error_is_one_line_and_exits_with_2(
    run: RunJob, caplog: pytest.LogCaptureFixture
) -> None:
    def job(*_: object) -> None:
        raise InputError("users.csv: file not found in in")

    assert run(job) == 2
    assert caplog.messages == ["users.csv: file not found in in"]
    assert caplog.records[0].exc_info is None


def test_internal_error_is_a_traceback_and_one_line_and_exits_with_1(
    run: RunJob, caplog: pytest.LogCaptureFixture
) -> None:
    def job(*_: object) -> None:
        raise RuntimeError("An error occurred while calling o1.parquet.\n: disk full\n  at ...")

    assert run(job) == 1
    assert caplog.records[0].exc_info is not None
    assert caplog.messages[-1] == "run r1 failed: disk full"


def test_known_cause_of_a_failure_says_what_to_do(
    run: RunJob, caplog: pytest.LogCaptureFixture
) -> None:
    def job(*_: object) -> None:
        raise RuntimeError("Job aborted due to stage failure\njava.lang.OutOfMemoryError: heap")

    assert run(job) == 1
    assert caplog.messages[-1].startswith("run r1 failed: Spark ran out of memory. Give it more")


def test_log_lines_have_no_control_characters() -> None:
    record = logging.makeLogRecord({"name": "a_job", "msg": "Zoë \x1b[31m\u202e\r\nError:\n\tat x"})
    _, _, text = LogFormatter().format(record).partition(": ")
    assert text == "Zoë \\u001b[31m\\u202e\\r\nError:\n        at x"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([*ARGUMENTS[:-1], "a b"], "'a b' is not a valid run ID: use 1 to 80 letters"),
        ([*ARGUMENTS[:-1], "../up"], "'../up' is not a valid run ID: use 1 to 80 letters"),
        ([*ARGUMENTS[:-1], "x" * 81], "is not a valid run ID: use 1 to 80 letters"),
        (ARGUMENTS[:4], "the following arguments are required: --run-id"),
        ([*ARGUMENTS, "--wrong"], "unrecognized arguments: --wrong"),
    ],
)
def test_invalid_arguments_are_one_line_and_exit_with_2(
    run: RunJob, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert run(lambda *_: None, arguments) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("a_job: ")
    assert message in line


def test_kpi_job_has_two_switches() -> None:
    options = spark.kpis.build_parser().parse_args([*ARGUMENTS, "--curated", "--personal-data"])
    assert options.curated
    assert options.personal_data
