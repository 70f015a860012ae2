"""Run the two Spark jobs in parallel on plain folders."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

from contract.datasets import DATASETS
from contract.layout import KPI_JOB, TRANSFORMATION_JOB, is_run_id, job_report_key
from local.errors import UserError
from local.spark import spark_settings
from local.spark.input_folder import check_folder
from pipeline.release.spark_package import ENTRY_POINTS, KPIS, write_spark_package

# Variables that would point Spark to another installation, configuration, or source code.
_IGNORED_VARIABLES = (
    "SPARK_HOME",
    "SPARK_CONF_DIR",
    "HADOOP_CONF_DIR",
    "PYTHONPATH",
    "PYSPARK_SUBMIT_ARGS",
)
_GLOB_CHARACTERS = "*?[]{}\\"

ProgressCallback = Callable[[str, int, int, str], None]
"""Called when a phase of a job begins: job name, phase, number of phases, description."""


@dataclass(frozen=True)
class JobsRequest:
    """The input, output, and options of one run of both jobs.

    Attributes:
        input_folder: Folder that contains the four input files.
        output_folder: Folder to write to.
        run_id: The run ID.
        memory: Driver memory of each job, in Spark notation, such as `2g`.
        personal_data: Whether `user_metrics` contains personal data.
    """

    input_folder: Path
    output_folder: Path
    run_id: str
    memory: str
    personal_data: bool = False

    def job_arguments(self, job: str) -> list[str]:
        """Return the command-line arguments of a job."""
        input_uri = f"file://{self.input_folder.resolve()}"
        output_uri = f"file://{self.output_folder.resolve()}"
        arguments = ["--input", input_uri, "--output", output_uri, "--run-id", self.run_id]
        if job == KPIS and self.personal_data:
            arguments.append("--personal-data")
        return arguments

    @property
    def input_bytes(self) -> int:
        """The total size of the four input files."""
        return sum((self.input_folder / dataset.file).stat().st_size for dataset in DATASETS)

    @property
    def log_folder(self) -> Path:
        """The folder with the complete logs of both jobs."""
        return self.output_folder / "logs" / self.run_id

    def log_file(self, job: str) -> Path:
        """Return the path of the complete log of a job."""
        return self.log_folder / f"{job}.log"


@dataclass(frozen=True)
class JobResult:
    """How a job ended.

    Attributes:
        exit_code: The exit code of the process.
        last_message: The last message of the job itself, without those of Spark.
    """

    exit_code: int
    last_message: str


@dataclass
class _RunningJob:
    name: str
    process: subprocess.Popen[str]
    log_file: Path
    last_message: str = ""

    def follow_output(self, on_progress: ProgressCallback) -> None:
        """Copy the output of the job to its log file and report the phases that begin."""
        own_message = re.compile(rf"\b{self.name}: (?:\[(\d+)/(\d+)\] )?(.*)")
        with self.log_file.open("w", encoding="utf-8") as log:
            for line in self.process.stdout or ():
                log.write(line)
                log.flush()
                match = own_message.search(line)
                if match and match[1]:
                    on_progress(self.name, int(match[1]), int(match[2]), match[3])
                elif match:
                    self.last_message = match[3]


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
    warnings = check_folder(request.input_folder)
    if any(
        (request.output_folder / job_report_key(job, request.run_id)).exists()
        for job in (TRANSFORMATION_JOB, KPI_JOB)
    ):
        raise UserError(
            f"{request.output_folder} already contains run {request.run_id}: choose another"
            " --run-id"
        )
    return warnings


def run_jobs(request: JobsRequest, on_progress: ProgressCallback) -> dict[str, JobResult]:
    """Run both jobs in parallel until both have ended.

    If an exception ends this call early, it also terminates both jobs.

    Args:
        request: A request that `check_request` has accepted.
        on_progress: Called when a phase of a job begins, from the thread of that job.

    Returns:
        The results, by job name.

    Raises:
        UserError: The output folder is not writable, or no Java was found.
    """
    with tempfile.TemporaryDirectory(prefix="rental-kpi-") as folder, ExitStack() as running:
        package = Path(folder) / "jobs.zip"
        write_spark_package(package)
        jobs = []
        for name, entry_point in ENTRY_POINTS.items():
            command = spark_submit_command(package, request.memory, request.input_bytes)
            try:
                request.log_folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise UserError(
                    f"cannot write to {request.output_folder}: {error.strerror}"
                ) from None
            process = subprocess.Popen(
                [*command, str(entry_point), *request.job_arguments(name)],
                env=spark_environment(),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                text=True,
                encoding="utf-8",
                errors="replace",
                start_new_session=True,
            )
            running.callback(_kill_process_group, process)
            jobs.append(_RunningJob(name, process, request.log_file(name)))
        readers = [
            Thread(target=job.follow_output, args=(on_progress,), daemon=True) for job in jobs
        ]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join()
        return {job.name: JobResult(job.process.wait(), job.last_message) for job in jobs}


def spark_submit_command(package: Path, memory: str, input_bytes: int) -> Sequence[str]:
    """Return the command that runs an entry point with Spark in a single local process.

    The caller appends the entry point and its arguments.

    Args:
        package: ZIP file with the modules that the jobs import.
        memory: Driver memory, in Spark notation.
        input_bytes: Total size of the input. Determines the JVM options.
    """
    settings = spark_settings.single_machine_settings(os.cpu_count() or 1)
    settings["spark.driver.extraJavaOptions"] = " ".join(spark_settings.jvm_options(input_bytes))
    command = [str(Path(sys.executable).parent / "spark-submit"), "--master", "local[*]"]
    command += ["--driver-memory", memory, "--py-files", str(package)]
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
