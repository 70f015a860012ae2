"""What the two entry points share: arguments, progress, errors and exit codes."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from typing import Callable, NoReturn

from pyspark.sql import SparkSession

from contract.datasets import DATASETS
from contract.layout import is_run_id, job_report_key, join_uri
from spark import storage
from spark.errors import InputError
from spark.reading.csv_reader import NOT_UTF8
from spark.session import spark_session

EXIT_FAILED = 1
EXIT_INPUT = 2


class Parser(argparse.ArgumentParser):
    """The arguments of both jobs; bad ones are answered in one line."""

    def __init__(self, prog: str, description: str) -> None:
        super().__init__(prog=prog, description=description)
        self.add_argument("--input", required=True, metavar="URI", help="folder of the four files")
        self.add_argument("--output", required=True, metavar="URI", help="root to write below")
        self.add_argument("--run-id", required=True, metavar="ID", type=_run_id)

    def error(self, message: str) -> NoReturn:
        self.exit(EXIT_INPUT, f"{self.prog}: {message}\n")


def _run_id(text: str) -> str:
    if not is_run_id(text):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no run id: 1 to 80 letters, digits, dots, dashes and underscores"
        )
    return text


class Progress:
    """Says on the log which of a job's steps has begun."""

    def __init__(self, job: str, steps: int) -> None:
        self._log = logging.getLogger(job)
        self._steps = steps
        self._begun = 0

    def begin(self, step: str) -> None:
        self._begun += 1
        self._log.info("[%d/%d] %s", self._begun, self._steps, step)


def require_new(spark: SparkSession, output: str, run_id: str, job: str) -> None:
    """InputError if the run has this job's report already: nothing complete is written over."""
    if storage.is_file(spark, join_uri(output, job_report_key(job, run_id))):
        raise InputError(f"run {run_id} is complete already in {output}; take another --run-id")


def run_job(
    parser: Parser,
    job: Callable[[SparkSession, argparse.Namespace], None],
    arguments: Sequence[str] | None = None,
) -> NoReturn:
    """Run a job in its session and exit: 0 done, 2 for the user to mend, 1 for us."""
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(name)s: %(message)s"
    )
    logging.getLogger("py4j").setLevel(logging.WARNING)
    log = logging.getLogger(parser.prog)
    options = parser.parse_args(arguments)
    spark = spark_session(f"{parser.prog} {options.run_id}")
    try:
        job(spark, options)
    except Exception as error:  # the last place: whatever it is ends the job
        problem = input_problem(error)
        if problem:
            log.error("%s", problem)
            sys.exit(EXIT_INPUT)
        log.exception("run %s failed", options.run_id)
        log.error("run %s failed: %s", options.run_id, _first_line(error))
        sys.exit(EXIT_FAILED)
    finally:
        spark.stop()
    log.info("run %s is complete", options.run_id)
    sys.exit(0)


def input_problem(error: Exception) -> str | None:
    """What the user has to mend, in one line; null if the error is ours.

    A task that meets bytes that are not UTF-8 says so, and Spark wraps it in an error of its own.
    """
    if isinstance(error, InputError):
        return str(error)
    problems = (f"{dataset.file} {NOT_UTF8}" for dataset in DATASETS)
    return next((problem for problem in problems if problem in str(error)), None)


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    # py4j's first line names only the call; the error itself stands behind it.
    if len(lines) > 1 and lines[0].startswith("An error occurred while calling"):
        return lines[1].lstrip(": ")
    return lines[0] if lines else type(error).__name__
