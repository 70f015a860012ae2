"""Running the two Spark jobs side by side on plain folders."""

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

# Variables that would lead Spark to another installation, configuration or source than ours.
_FOREIGN = ("SPARK_HOME", "SPARK_CONF_DIR", "HADOOP_CONF_DIR", "PYTHONPATH", "PYSPARK_SUBMIT_ARGS")

_PATTERN_CHARACTERS = "*?[]{}\\"

OnStep = Callable[[str, int, int, str], None]
"""Called with a job's name, the step begun, the number of steps, and what the step does."""


@dataclass(frozen=True)
class JobsRequest:
    """Which files to read, where to write, and with how much of the machine."""

    source: Path
    output: Path
    run_id: str
    memory: str
    personal_data: bool = False

    def arguments(self, job: str) -> list[str]:
        """The job's own arguments."""
        root, folder = (f"file://{path.resolve()}" for path in (self.output, self.source))
        arguments = ["--input", folder, "--output", root, "--run-id", self.run_id]
        if job == KPIS and self.personal_data:
            arguments.append("--personal-data")
        return arguments

    @property
    def input_bytes(self) -> int:
        """The size of the four files together."""
        return sum((self.source / dataset.file).stat().st_size for dataset in DATASETS)

    def log(self, job: str) -> Path:
        """Where everything that the job says is kept."""
        return self.output / "logs" / self.run_id / f"{job}.log"


@dataclass
class _Job:
    """One running job; `last_words` is the last thing that it said itself, not Spark."""

    name: str
    process: subprocess.Popen[str]
    log: Path
    last_line: str = ""

    def listen(self, on_step: OnStep) -> None:
        """Keep all that the job says in its log, and pass on the steps that it begins."""
        own = re.compile(rf"\b{self.name}: (?:\[(\d+)/(\d+)\] )?(.*)")
        with self.log.open("w", encoding="utf-8") as log:
            for line in self.process.stdout or ():
                log.write(line)
                log.flush()
                said = own.search(line)
                if said and said[1]:
                    on_step(self.name, int(said[1]), int(said[2]), said[3])
                elif said:
                    self.last_line = said[3]


def check_request(request: JobsRequest) -> list[str]:
    """What is odd but harmless about the files.

    UserError, with every problem of every file, before anything is started.
    """
    if not is_run_id(request.run_id):
        raise UserError(
            f"{request.run_id!r} is no run id: 1 to 80 letters, digits, dots, dashes, underscores"
        )
    for path in (request.source, request.output):
        if set(str(path.resolve())) & set(_PATTERN_CHARACTERS):
            raise UserError(
                f"{path}: Spark reads {' '.join(_PATTERN_CHARACTERS)} in a path as a pattern; "
                "take another folder"
            )
    warnings = check_folder(request.source)
    if any(
        (request.output / job_report_key(job, request.run_id)).exists()
        for job in (TRANSFORMATION_JOB, KPI_JOB)
    ):
        raise UserError(f"{request.output} has a run {request.run_id}; take another --run-id")
    return warnings


def run_jobs(request: JobsRequest, on_step: OnStep) -> dict[str, tuple[int, str]]:
    """Run both jobs to their ends; each job's exit code and last words, by its name.

    Whatever ends this call early ends both jobs too.
    """
    with tempfile.TemporaryDirectory(prefix="rental-kpi-") as folder, ExitStack() as running:
        package = Path(folder) / "jobs.zip"
        write_spark_package(package)
        jobs = []
        for name, entry_point in ENTRY_POINTS.items():
            command = spark_submit(package, request.memory, request.input_bytes)
            log = request.log(name)
            try:
                log.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise UserError(f"{request.output} cannot be written: {error.strerror}") from None
            process = subprocess.Popen(
                [*command, str(entry_point), *request.arguments(name)],
                env=spark_environment(),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                text=True,
                encoding="utf-8",
                errors="replace",
                start_new_session=True,
            )
            running.callback(_end, process)
            jobs.append(_Job(name, process, log))
        readers = [Thread(target=job.listen, args=(on_step,), daemon=True) for job in jobs]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join()
        return {job.name: (job.process.wait(), job.last_line) for job in jobs}


def spark_submit(package: Path, memory: str, input_bytes: int) -> Sequence[str]:
    """The command that runs an entry point with a Spark inside one process of this machine."""
    settings = spark_settings.on_one_machine(os.cpu_count() or 1)
    settings["spark.driver.extraJavaOptions"] = " ".join(spark_settings.java_options(input_bytes))
    command = [str(Path(sys.executable).parent / "spark-submit"), "--master", "local[*]"]
    command += ["--driver-memory", memory, "--py-files", str(package)]
    for key, value in settings.items():
        command += ["--conf", f"{key}={value}"]
    return command


def spark_environment() -> dict[str, str]:
    """The environment of a Spark process: our Java, our Python, our Spark. NoJavaError."""
    environment = {name: value for name, value in os.environ.items() if name not in _FOREIGN}
    return environment | spark_settings.environment()


def _end(process: subprocess.Popen[str]) -> None:
    """End the process and all that it started; one that has ended already is left alone."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
