"""Run both Spark jobs on plain folders."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from contract.datasets import DATASETS
from contract.exit_codes import EXIT_INVALID_INPUT, EXIT_OK
from contract.failure_causes import find_failure_cause
from contract.layout import KPI_JOB, TRANSFORMATION_JOB, is_run_id, job_report_key
from local.errors import UserError
from local.spark import spark_settings
from local.spark.input_folder import check_folder
from pipeline.release.spark_package import ENTRY_POINTS, SOURCE_FOLDER

# Variables that would point Spark to another installation, configuration, or source code.
_IGNORED_VARIABLES = (
    "SPARK_HOME",
    "SPARK_CONF_DIR",
    "HADOOP_CONF_DIR",
    "PYTHONPATH",
    "PYSPARK_SUBMIT_ARGS",
)
# The exit codes of a process that SIGKILL ended, and of a shell or a Python that reports one.
_KILLED = (-signal.SIGKILL, 128 + signal.SIGKILL)
_MEMORY = re.compile("([0-9]{1,6})([mg])", re.I)
_MEGABYTES = {"m": 1, "g": 1024}
_MIN_MEGABYTES = 512  # Spark itself refuses less than 450 MB
_GLOB_CHARACTERS = "*?[]{}\\"
BOTH_JOBS_PROGRAM = Path(__file__).parent / "both_jobs.py"
"""The program that runs both jobs in one Spark session."""

_MESSAGE = re.compile(
    rf"[\d-]{{10}} [\d:,]{{12}} ({'|'.join((*ENTRY_POINTS, 'jobs'))}): (?:\[(\d+)/(\d+)\] )?(.*)"
)
"""A message of a job itself, as `LogFormatter` formats it, without those of Spark."""

ProgressCallback = Callable[[str, int, int, str], None]
"""Called when a phase of a job begins: job name, phase, number of phases, description."""


@dataclass(frozen=True)
class JobsRequest:
    """The input, output, and options of one run of both jobs.

    Attributes:
        input_folder: Folder that contains the four input files.
        output_folder: Folder to write to.
        run_id: The run ID.
        memory: Memory of Spark, in Spark notation, such as `2g`.
        personal_data: Whether `user_metrics` contains personal data.
    """

    input_folder: Path
    output_folder: Path
    run_id: str
    memory: str
    personal_data: bool = False

    @property
    def arguments(self) -> list[str]:
        """The command-line arguments of the program that runs both jobs."""
        input_uri = f"file://{self.input_folder.resolve()}"
        output_uri = f"file://{self.output_folder.resolve()}"
        arguments = ["--input", input_uri, "--output", output_uri, "--run-id", self.run_id]
        return [*arguments, "--personal-data"] if self.personal_data else arguments

    @property
    def input_bytes(self) -> int:
        """The total size of the four input files."""
        return sum((self.input_folder / dataset.file).stat().st_size for dataset in DATASETS)

    @property
    def log_file(self) -> Path:
        """The path of the complete log of both jobs."""
        return self.output_folder / "logs" / f"{self.run_id}.log"


@dataclass(frozen=True)
class JobsResult:
    """How both jobs ended.

    Attributes:
        exit_code: The exit code of the process.
        last_message: The last message of a job itself; if Spark ended it, the cause and what to do.
    """

    exit_code: int
    last_message: str


def check_request(request: JobsRequest) -> list[str]:
    """Validate a request and its input files before anything starts.

    Returns:
        The warnings about the input files.

    Raises:
        UserError: The request is invalid or files are missing or invalid. The message lists every
            problem of every file.
    """
    if not is_run_id(request.run_id):
        raise UserError(
            f"{request.run_id!r} is not a valid run ID: use 1 to 80 letters, digits, dots, hyphens,"
            " and underscores, starting with a letter or digit"
        )
    for path in (request.input_folder, request.output_folder):
        if set(str(path.resolve())) & set(_GLOB_CHARACTERS):
            raise UserError(
                f"{path}: Spark treats {' '.join(_GLOB_CHARACTERS)} in a path as wildcards;"
                " choose a path without them"
            )
    memory = _MEMORY.fullmatch(request.memory)
    if not memory or int(memory[1]) * _MEGABYTES[memory[2].lower()] < _MIN_MEGABYTES:
        raise UserError(
            f"{request.memory!r} is not a valid --memory: use a number with m or g, such as 2g, and"
            f" at least {_MIN_MEGABYTES}m"
        )
    warnings = check_folder(request.input_folder)
    complete_jobs = [
        job
        for job in (TRANSFORMATION_JOB, KPI_JOB)
        if (request.output_folder / job_report_key(job, request.run_id)).exists()
    ]
    if complete_jobs:
        state = "already contains" if KPI_JOB in complete_jobs else "contains an unfinished"
        raise UserError(
            f"{request.output_folder} {state} run {request.run_id}: choose another --run-id"
        )
    return warnings


def run_jobs(
    request: JobsRequest, on_progress: ProgressCallback, jvm_options: Sequence[str] = ()
) -> JobsResult:
    """Run both jobs in one Spark process until it has ended.

    If an exception ends this call early, it also terminates the process.

    Args:
        request: A request that `check_request` has accepted.
        on_progress: Called when a phase of a job begins.
        jvm_options: JVM options besides those that the size of the input determines.

    Raises:
        UserError: The output folder is not writable, or no Java was found.
    """
    command = spark_submit_command(request.memory, request.input_bytes, jvm_options)
    try:
        request.log_file.parent.mkdir(parents=True, exist_ok=True)
        log = request.log_file.open("wb", buffering=0)
    except OSError as error:
        raise UserError(f"cannot write to {request.output_folder}: {error.strerror}") from None
    with log:
        process = subprocess.Popen(
            [*command, str(BOTH_JOBS_PROGRAM), *request.arguments],
            env=spark_environment() | {"PYTHONPATH": str(SOURCE_FOLDER)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
        try:
            end = _follow_output(process, log, on_progress)
            exit_code = process.wait()
            return JobsResult(exit_code, end.describe(exit_code))
        finally:
            _kill_process_group(process)


@dataclass
class _Output:
    """What the output of a process says about its end.

    Attributes:
        last_message: The last message of a job that is not the start of a phase.
        last_line: The last line.
        cause: The first known cause of a failure in the messages of Spark, which may have ended
            before a job could report it.
    """

    last_message: str = ""
    last_line: str = ""
    cause: str | None = None

    def describe(self, exit_code: int) -> str:
        """Return the message of a job that has ended by itself, or else why it was ended."""
        if exit_code in (EXIT_OK, EXIT_INVALID_INPUT):
            return self.last_message
        if exit_code in _KILLED and not self.cause:
            return "Spark was killed, most likely because this machine has not enough memory"
        return self.cause or self.last_message or self.last_line


def _follow_output(
    process: subprocess.Popen[str], log: IO[bytes], on_progress: ProgressCallback
) -> _Output:
    """Copy the output of a process to its log, and report the phases that begin."""
    output = _Output()
    for line in process.stdout or ():
        try:
            log.write(line.encode())
        except OSError as error:
            # The job may have the same problem, so the log is less important than its message.
            output.cause = output.cause or find_failure_cause(str(error))
        output.last_line = line.strip() or output.last_line
        match = _MESSAGE.match(line)
        if match and match[2]:
            on_progress(match[1], int(match[2]), int(match[3]), match[4])
        elif match:
            output.last_message = match[4]
        else:
            output.cause = output.cause or find_failure_cause(line)
    return output


def spark_submit_command(
    memory: str, input_bytes: int, jvm_options: Sequence[str] = ()
) -> Sequence[str]:
    """Return the command that runs a program with Spark in a single local process.

    The caller appends the program and its arguments.

    Args:
        memory: Driver memory, in Spark notation.
        input_bytes: Total size of the input, which determines most of the JVM options.
        jvm_options: The other JVM options.
    """
    options = shlex.join([*spark_settings.jvm_options(input_bytes), *jvm_options])
    settings = spark_settings.SINGLE_MACHINE_SETTINGS | {"spark.driver.extraJavaOptions": options}
    command = [str(Path(sys.executable).parent / "spark-submit"), "--master", "local[*]"]
    command += ["--driver-memory", memory]
    for key, value in settings.items():
        command += ["--conf", f"{key}={value}"]
    return command


def spark_environment() -> dict[str, str]:
    """Return the environment of a Spark process: this project's Java, Python, and Spark.

    Raises:
        UserError: No Java was found.
    """
    environment = {
        name: value for name, value in os.environ.items() if name not in _IGNORED_VARIABLES
    }
    return environment | spark_settings.environment_variables()


def _kill_process_group(process: subprocess.Popen[str]) -> None:
    """Kill a process and its child processes, unless it has already exited."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
