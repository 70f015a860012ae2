"""Arguments, exit codes and last words of a job's process."""

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
from spark.job import Parser, Progress, run_job

GOOD = ["--input", "in", "--output", "out", "--run-id", "r1"]
Exit = Callable[..., int]


@pytest.fixture
def exit_of(monkeypatch: pytest.MonkeyPatch) -> Exit:
    """Run a job that needs no session; gives its exit code."""
    monkeypatch.setattr(spark.job, "spark_session", lambda _: SimpleNamespace(stop=lambda: None))

    def run(job: Callable[..., None], arguments: list[str] = GOOD) -> int:
        with pytest.raises(SystemExit) as ended:
            run_job(Parser("a_job", "A job."), job, arguments)
        return int(ended.value.code or 0)

    return run


def test_a_job_that_is_done_exits_with_0(exit_of: Exit, caplog: pytest.LogCaptureFixture) -> None:
    def job(_: object, options: Namespace) -> None:
        assert vars(options) == {"input": "in", "output": "out", "run_id": "r1"}
        Progress("a_job", steps=2).begin("first")

    caplog.set_level(logging.INFO)
    assert exit_of(job) == 0
    assert caplog.messages == ["[1/2] first", "run r1 is complete"]


def test_the_user_s_mistake_is_one_line_and_2(
    exit_of: Exit, caplog: pytest.LogCaptureFixture
) -> None:
    def job(*_: object) -> None:
        raise InputError("users.csv: no such file in in")

    assert exit_of(job) == 2
    assert caplog.messages == ["users.csv: no such file in in"]
    assert caplog.records[0].exc_info is None


def test_our_mistake_is_a_traceback_a_line_and_1(
    exit_of: Exit, caplog: pytest.LogCaptureFixture
) -> None:
    def job(*_: object) -> None:
        raise RuntimeError("An error occurred while calling o1.parquet.\n: disk full\n  at ...")

    assert exit_of(job) == 1
    assert caplog.records[0].exc_info is not None
    assert caplog.messages[-1] == "run r1 failed: disk full"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([*GOOD[:-1], "a b"], "'a b' is no run id"),
        ([*GOOD[:-1], "../up"], "'../up' is no run id"),
        ([*GOOD[:-1], "x" * 81], "is no run id"),
        (GOOD[:4], "the following arguments are required: --run-id"),
        ([*GOOD, "--wrong"], "unrecognized arguments: --wrong"),
    ],
)
def test_bad_arguments_are_one_line_and_2(
    exit_of: Exit, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    assert exit_of(lambda *_: None, arguments) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("a_job: ")
    assert words in line


def test_the_kpi_job_has_two_switches() -> None:
    options = spark.kpis.arguments().parse_args([*GOOD, "--curated", "--personal-data"])
    assert options.curated
    assert options.personal_data
