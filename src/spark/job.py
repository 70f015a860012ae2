"""Arguments, progress, error handling, and exit codes of both jobs."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from typing import Callable, NoReturn

from py4j.protocol import Py4JError  # type: ignore[import-untyped]  # py4j has no types
from pyspark.sql import SparkSession

from contract.datasets import DATASETS
from contract.exit_codes import EXIT_INTERNAL_ERROR, EXIT_INVALID_INPUT, EXIT_OK
from contract.failure_causes import find_failure_cause
from contract.layout import is_run_id, job_report_key, join_uri
from contract.text import escape_control_characters
from spark import storage
from spark.errors import InputError
from spark.reading.csv_reader import NOT_UTF8
from spark.session import get_spark_session


class JobArgumentParser(argparse.ArgumentParser):
    """Parser of the arguments that both jobs have. Errors are reported in one line."""

    def __init__(self, prog: str, description: str) -> None:
        super().__init__(prog=prog, description=description)
        self.add_argument(
            "--input", required=True, metavar="URI", help="folder with the four input files"
        )
        self.add_argument("--output", required=True, metavar="URI", help="root folder of all runs")
        self.add_argument("--run-id", required=True, metavar="ID", type=_parse_run_id)

    def error(self, message: str) -> NoReturn:
        """Exit with the message. Unlike argparse, do not print the usage."""
        self.exit(EXIT_INVALID_INPUT, f"{self.prog}: {message}\n")


def _parse_run_id(text: str) -> str:
    if not is_run_id(text):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a valid run ID: use 1 to 80 letters, digits, dots, hyphens, and"
            " underscores, starting with a letter or digit"
        )
    return text


class LogFormatter(logging.Formatter):
    """Formats log lines, which may quote the input, without control characters."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(name)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """Return the lines of a record. Only a traceback has several."""
        text = super().format(record).expandtabs()  # stack traces of Java are indented by tabs
        return escape_control_characters(text, keep_line_breaks=True)


class ProgressLog:
    """Logs the start of each phase of a job, such as `[1/8] users: reading and cleaning`."""

    def __init__(self, job: str, phases: int) -> None:
        self._log = logging.getLogger(job)
        self._phases = phases
        self._started = 0

    def start_phase(self, description: str) -> None:
        """Log that the next phase starts."""
        self._started += 1
        self._log.info("[%d/%d] %s", self._started, self._phases, description)


def require_new_run(spark: SparkSession, output: str, run_id: str, job: str) -> None:
    """Ensure that a job does not overwrite a complete run.

    Args:
        spark: The Spark session.
        output: The URI of the root folder of all runs.
        run_id: The run ID.
        job: The name of the job in `contract.layout`.

    Raises:
        InputError: The run already has the job's report.
    """
    if storage.is_file(spark, join_uri(output, job_report_key(job, run_id))):
        raise InputError(f"run {run_id} is already complete in {output}; use a different --run-id")


def run_job(
    parser: JobArgumentParser,
    job: Callable[[SparkSession, argparse.Namespace], None],
    arguments: Sequence[str] | None = None,
) -> NoReturn:
    """Run a job in a new Spark session and exit with one of the codes in `contract.exit_codes`.

    Args:
        parser: The parser of the job's arguments.
        job: The function that does the job's work.
        arguments: The arguments to parse; by default, those of the process.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LogFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.getLogger("py4j").setLevel(logging.WARNING)
    log = logging.getLogger(parser.prog)
    options = parser.parse_args(arguments)
    spark = None
    try:
        spark = get_spark_session(f"{parser.prog} {options.run_id}")
        job(spark, options)
    except Exception as error:  # This is the outermost handler: any error ends the job.
        problem = get_input_problem(error)
        if problem:
            log.error("%s", problem)
            sys.exit(EXIT_INVALID_INPUT)
        log.exception("run %s failed", options.run_id)
        cause = find_failure_cause(_get_text(error)) or _first_line(error)
        log.error("run %s failed: %s", options.run_id, cause)
        sys.exit(EXIT_INTERNAL_ERROR)
    finally:
        if spark:
            spark.stop()
    log.info("the job of run %s is complete", options.run_id)
    sys.exit(EXIT_OK)


def get_input_problem(error: Exception) -> str | None:
    """Return the problem with the input in one line, or `None` if the error has another cause.

    A task that reads invalid UTF-8 raises an error with this cause, which Spark wraps in an error
    of its own.
    """
    if isinstance(error, InputError):
        return str(error)
    problems = (f"{dataset.file} {NOT_UTF8}" for dataset in DATASETS)
    return next((problem for problem in problems if problem in _get_text(error)), None)


def _get_text(error: Exception) -> str:
    """Return the text of an error, which Py4J asks the JVM for, if the JVM has not ended."""
    try:
        return str(error)
    except (Py4JError, OSError):
        return f"{type(error).__name__}: the JVM of Spark has ended"


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in _get_text(error).splitlines() if line.strip()]
    # The first line of a py4j error names only the call; the second line is the error itself.
    if len(lines) > 1 and lines[0].startswith("An error occurred while calling"):
        return lines[1].lstrip(": ")
    return lines[0] if lines else type(error).__name__
