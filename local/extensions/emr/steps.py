"""A step of a cluster: a real process, its files on S3, and its logs where EMR puts them."""

from __future__ import annotations

import gzip
import logging
import os
import shlex
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from botocore.exceptions import ClientError

from local import REGION, supervisor
from local.extensions.emr import spark_on_s3
from local.extensions.emr.instance_profiles import role_of_profile
from local.extensions.patching.clients import NotAssumableError, client, role_credentials
from local.extensions.s3.bucket_copy import S3AccessError, S3Copy
from local.extensions.s3.files import split_uri
from local.spark.java import NoJavaError

_log = logging.getLogger("emr")

_INSTANCES = "ec2.amazonaws.com"  # what an instance profile's role has to trust
_RUNNER = "command-runner.jar"
_PASSED_ON = ("HOME", "LANG", "LC_ALL", "TZ")
_LOGS = ("controller", "stderr", "stdout")


class _StepError(Exception):
    """The step cannot run, or what it wrote cannot be stored; its words say why."""


class Step:
    """One step of a cluster, as MiniStack's records describe them; it runs once.

    Nothing of the server's environment reaches the process: it has the instance profile's
    credentials, as a program on a cluster's machine has.
    """

    def __init__(self, cluster: dict[str, Any], step: dict[str, Any]) -> None:
        self._cluster = cluster
        self._id = step["Id"]
        self._config = step["Config"]
        self._folder = Path(os.environ["LOCAL_STATE"]) / "emr" / cluster["Id"] / step["Id"]
        self._process: subprocess.Popen[bytes] | None = None
        self._is_stopped = False
        self._lock = threading.Lock()

    def run(self) -> dict[str, str] | None:
        """Run it to its end; null, or EMR's FailureDetails if it failed or was stopped."""
        (self._folder / "tmp").mkdir(parents=True)
        for name in _LOGS:
            (self._folder / name).touch()
        words = shlex.join([self._config["Jar"], *self._config["Args"]])
        self._say(f"INFO startExec 'hadoop jar {words}'")
        message, code = "", 1
        try:
            code = self._execute()
        except (_StepError, S3AccessError, NotAssumableError, NoJavaError) as error:
            message = str(error)
        with (self._folder / "stderr").open("a") as stderr:
            stderr.writelines(f"{line}\n" for line in message.splitlines())
            stderr.write(f"Command exiting with ret '{code}'\n")
        ended = "succeeded" if code == 0 else f"failed with exitCode {code}"
        self._say(f"INFO Step {ended}")
        log_file = self._store_logs()
        shutil.rmtree(self._folder / "s3", ignore_errors=True)
        shutil.rmtree(self._folder / "tmp", ignore_errors=True)
        if code == 0:
            return None
        details = {"Reason": "Unknown Error.", "Message": message, "LogFile": log_file}
        return {name: value for name, value in details.items() if value}

    def interrupt(self) -> None:
        """Ask the process to end."""
        self._stop(lambda keeper_pid: os.killpg(keeper_pid, signal.SIGTERM))

    def kill(self) -> None:
        """End the process and all that it started."""
        self._stop(supervisor.terminate_group)

    def _stop(self, end: Callable[[int], None]) -> None:
        with self._lock:
            self._is_stopped = True
            if self._process is not None and self._process.returncode is None:
                with suppress(ProcessLookupError, PermissionError):
                    end(self._process.pid)

    def _execute(self) -> int:
        """The process's exit code, once what it wrote lies in S3."""
        if self._config["Jar"] != _RUNNER:
            raise _StepError(f"Only {_RUNNER} runs here, not {self._config['Jar']}.")
        if not self._config["Args"]:
            raise _StepError(f"{_RUNNER} needs the command as its arguments.")
        program, *arguments = self._config["Args"]
        environment = self._environment()
        copy = S3Copy(self._s3(), self._folder / "s3")
        if program == spark_on_s3.SPARK_SUBMIT:
            environment |= spark_on_s3.prepare(arguments, self._cluster, copy, self._folder)
        code = self._run_process([program, *arguments], environment)
        # A job on a cluster writes while it runs: also what it wrote before it failed is there.
        copy.store()
        return code

    def _run_process(self, command: list[str], environment: dict[str, str]) -> int:
        with (
            (self._folder / "stdout").open("wb") as stdout,
            (self._folder / "stderr").open("wb") as stderr,
        ):
            with self._lock:
                if self._is_stopped:
                    raise _StepError("The step was stopped before its process was started.")
                process = self._process = self._start(command, environment, stdout, stderr)
            self._say(f"INFO ProcessRunner started child process {process.pid}")
            with process:
                code = process.wait()
            # What it left running ends with it.
            _signal_group(process, signal.SIGKILL)
        return code if code >= 0 else 128 - code

    def _start(
        self,
        command: list[str],
        environment: dict[str, str],
        stdout: IO[bytes],
        stderr: IO[bytes],
    ) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-I", supervisor.__file__, *command],
            env=environment,
            cwd=self._folder,
            stdin=subprocess.PIPE,  # closes with us, however we end
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
        )

    def _environment(self) -> dict[str, str]:
        """What every program on a cluster's machine finds, which asks AWS with the profile's role.

        Its own Python comes first, so that `spark-submit` is the one beside it, unless
        LOCAL_PROGRAMS names a folder of others.
        """
        kept = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        bin_folder = str(Path(sys.executable).parent)
        programs, path = os.environ.get("LOCAL_PROGRAMS"), os.environ.get("PATH", os.defpath)
        bundle = os.environ["LOCAL_CA_BUNDLE"]
        return kept | {
            "PATH": os.pathsep.join(filter(None, [programs, bin_folder, path])),
            "TMPDIR": str(self._folder / "tmp"),
            "AWS_ENDPOINT_URL": os.environ["LOCAL_ENDPOINT"],
            "AWS_CA_BUNDLE": bundle,
            "AWS_DEFAULT_REGION": REGION,
            "NO_PROXY": "127.0.0.1,localhost",
            "no_proxy": "127.0.0.1,localhost",
            **role_credentials(self._role()),
        }

    def _role(self) -> str:
        profile = self._cluster["Ec2InstanceAttributes"]["IamInstanceProfile"]
        role = role_of_profile(profile)
        if role is None:
            raise NotAssumableError(f"The instance profile {profile} has no role.")
        return role

    def _s3(self) -> Any:
        return client("s3", self._role(), _INSTANCES)

    def _store_logs(self) -> str:
        """Put the logs where the cluster's LogUri says; where the errors lie, if it says any."""
        uri = self._cluster.get("LogUri", "")
        if not uri:
            return ""
        bucket, prefix = split_uri(uri)
        folder = "/".join(filter(None, [prefix, self._cluster["Id"], "steps", self._id]))
        try:
            s3 = self._s3()
            for name in _LOGS:
                text = gzip.compress((self._folder / name).read_bytes(), mtime=0)
                s3.put_object(Bucket=bucket, Key=f"{folder}/{name}.gz", Body=text)
        except (ClientError, NotAssumableError) as error:
            # As on EMR, a step does not fail because nobody can read what it said.
            _log.warning("logs of step %s: %s", self._id, error)
        return f"s3://{bucket}/{folder}/stderr.gz"

    def _say(self, words: str) -> None:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]
        with (self._folder / "controller").open("a") as controller:
            controller.write(f"{now}Z {words}\n")


def _signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)
