"""Spark jobs in processes of their own, which can be killed at any moment."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from threading import Condition, Thread
from typing import Literal

import psutil

from local.spark.job_runner import JobsRequest, spark_environment, spark_submit_command
from pipeline.release.spark_package import ENTRY_POINTS
from tests.support.processes import list_process_group
from tests.support.waiting import wait_until

Victim = Literal["process group", "JVM", "driver program"]
"""What is killed: both processes of a job, its JVM, or the Python process with its program."""

_PHASE = re.compile(r": \[(\d+)/(\d+)\] ")
_MAX_SECONDS = 300.0
_KILLED = -signal.SIGKILL


@dataclass
class JobProcess:
    """A job that runs with `spark-submit`.

    Attributes:
        job: The name of the job in `ENTRY_POINTS`.
        process: The process of its JVM, which leads the process group.
        phase_starts: When each phase began, as `time.monotonic` counts.
        log: What the job has written to its output.
    """

    job: str
    process: subprocess.Popen[str]
    phase_starts: list[float] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    _changed: Condition = field(default_factory=Condition)
    _reader: Thread | None = None
    _is_output_complete: bool = False

    @classmethod
    def start(
        cls, job: str, request: JobsRequest, package: Path, options: tuple[str, ...] = ()
    ) -> JobProcess:
        """Start a job.

        Args:
            job: The name of the job in `ENTRY_POINTS`.
            request: The input and the output.
            package: ZIP file with the modules that the jobs import. Spark keeps its temporary files
                next to it.
            options: Further arguments of the job.
        """
        command = spark_submit_command(request.memory, request.input_bytes)
        process = subprocess.Popen(
            [
                *command,
                "--py-files",
                str(package),
                str(ENTRY_POINTS[job]),
                *request.arguments,
                *options,
            ],
            env=spark_environment() | {"SPARK_LOCAL_DIRS": str(package.parent)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        running = cls(job, process)
        running._reader = Thread(target=running._read_output, daemon=True)
        running._reader.start()
        return running

    @property
    def is_running(self) -> bool:
        """Whether the JVM of the job has not ended."""
        return self.process.poll() is None

    def wait_for_phase(self, number: int) -> bool:
        """Wait until a phase, counted from 1, begins. Return False if the job ended before it."""
        with self._changed:
            self._changed.wait_for(
                lambda: len(self.phase_starts) >= number or self._is_output_complete, _MAX_SECONDS
            )
        return len(self.phase_starts) >= number

    def kill(self, victim: Victim) -> bool:
        """Kill processes of the job, and wait until all others have ended too.

        Returns:
            Whether the job was killed. Otherwise, it had ended before.
        """
        group = self.process.pid
        if not self.is_running:
            return False
        match victim:
            case "process group":
                os.killpg(group, signal.SIGKILL)
            case "JVM":
                self.process.kill()
            case "driver program":
                for child in psutil.Process(group).children(recursive=True):
                    child.kill()
        exit_code = self.wait()
        return exit_code == _KILLED if victim != "driver program" else exit_code != 0

    def wait(self) -> int:
        """Wait until no process of the job is running, and return its exit code."""
        exit_code = self.process.wait(_MAX_SECONDS)
        assert wait_until(lambda: not list_process_group(self.process.pid))
        if self._reader:
            self._reader.join()
        return exit_code

    def _read_output(self) -> None:
        for line in self.process.stdout or ():
            with self._changed:
                self.log.append(line)
                if _PHASE.search(line):
                    self.phase_starts.append(time.monotonic())
                self._changed.notify_all()
        with self._changed:
            self._is_output_complete = True
            self._changed.notify_all()
