"""A step of a cluster: a process, its files in S3, and its logs where EMR stores them."""

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
from functools import partial
from pathlib import Path
from typing import IO, Any

from botocore.exceptions import ClientError

from local import REGION, supervisor
from local.extensions.emr import spark_on_s3
from local.extensions.emr.instance_profiles import get_profile_role_arn
from local.extensions.emr.spark_submit import parse_arguments
from local.extensions.emr.yarn_application import YarnApplication
from local.extensions.patching.clients import AssumeRoleError, get_client, get_role_credentials
from local.extensions.s3.bucket_copy import S3AccessError, S3Copy
from local.extensions.s3.files import split_uri
from local.extensions.s3.object_cache import ObjectCache, compute_access_digest
from local.spark.java import JavaNotFoundError

_log = logging.getLogger("emr")

_TRUSTED_SERVICE = "ec2.amazonaws.com"  # the role of an instance profile must trust EC2
_COMMAND_RUNNER = "command-runner.jar"
_INHERITED_VARIABLES = ("HOME", "LANG", "LC_ALL", "TZ")
_OUTPUT_NAMES = ("stderr", "stdout")
_LOG_NAMES = ("controller", *_OUTPUT_NAMES)
_CACHE_FOLDER = "cache"


class _StepError(Exception):
    """The step cannot run."""


class Step:
    """The process of one step, which runs once.

    The process has the credentials of the instance profile, like a program on an instance of a real
    cluster, and inherits only a few harmless variables from the server.
    """

    def __init__(self, cluster: dict[str, Any], step: dict[str, Any]) -> None:
        """Prepare a step.

        Args:
            cluster: MiniStack's record of the cluster.
            step: MiniStack's record of the step.
        """
        self._cluster = cluster
        self._id = step["Id"]
        self._config = step["Config"]
        self._emr_folder = Path(os.environ["LOCAL_STATE"]) / "emr"
        self._folder = self._emr_folder / cluster["Id"] / step["Id"]
        self._process: subprocess.Popen[bytes] | None = None
        # The application whose driver the step runs in a container, if it does.
        self._application: YarnApplication | None = None
        self._is_stopped = False
        self._lock = threading.Lock()

    def run(self) -> dict[str, str] | None:
        """Run the step to completion.

        Returns:
            EMR's `FailureDetails` if the step failed or was stopped, else `None`.
        """
        (self._folder / "tmp").mkdir(parents=True)
        for name in _LOG_NAMES:
            (self._folder / name).touch()
        command = shlex.join([self._config["Jar"], *self._config["Args"]])
        self._write_controller_log(f"INFO startExec 'hadoop jar {command}'")
        message, code = "", 1
        try:
            code, message = self._execute()
        except (_StepError, S3AccessError, AssumeRoleError, JavaNotFoundError) as error:
            message = str(error)
        with (self._folder / "stderr").open("a") as stderr:
            stderr.writelines(f"{line}\n" for line in message.splitlines())
            stderr.write(f"Command exiting with ret '{code}'\n")
        result = "succeeded" if code == 0 else f"failed with exitCode {code}"
        self._write_controller_log(f"INFO Step {result}")
        log_file = self._store_logs()
        shutil.rmtree(self._folder / "s3", ignore_errors=True)
        shutil.rmtree(self._folder / "tmp", ignore_errors=True)
        if code == 0:
            return None
        details = {"Reason": "Unknown Error.", "Message": message, "LogFile": log_file}
        return {name: value for name, value in details.items() if value}

    def interrupt(self) -> None:
        """Ask the process to stop."""
        self._stop(lambda supervisor_pid: os.killpg(supervisor_pid, signal.SIGTERM))

    def kill(self) -> None:
        """Kill the process and its descendants."""
        self._stop(supervisor.terminate_group)

    def _stop(self, stop_process: Callable[[int], None]) -> None:
        with self._lock:
            self._is_stopped = True
            if self._process is not None and self._process.returncode is None:
                with suppress(ProcessLookupError, PermissionError):
                    stop_process(self._process.pid)

    def _execute(self) -> tuple[int, str]:
        """Run the process, and store what it wrote in S3.

        Returns:
            The exit code of the step's command, and its last error message if it is known.
        """
        if self._config["Jar"] != _COMMAND_RUNNER:
            raise _StepError(
                f"The local cloud runs only {_COMMAND_RUNNER}, not {self._config['Jar']}."
            )
        if not self._config["Args"]:
            raise _StepError(f"{_COMMAND_RUNNER} needs a command as its arguments.")
        program, *arguments = self._config["Args"]
        credentials = get_role_credentials(self._get_role_arn())
        environment = self._build_environment(credentials)
        cache = ObjectCache(
            self._emr_folder / _CACHE_FOLDER,
            partial(compute_access_digest, credentials["AWS_ACCESS_KEY_ID"]),
        )
        copy = S3Copy(self._get_s3_client(), self._folder / "s3", cache)
        if program == spark_on_s3.SPARK_SUBMIT:
            environment |= spark_on_s3.prepare(arguments, self._cluster, copy, self._folder)
            defaults = spark_on_s3.get_spark_defaults(self._cluster)
            arguments, is_cluster_mode = parse_arguments(arguments, defaults)
            if is_cluster_mode:
                self._application = YarnApplication.create(self._cluster)
                self._driver_folder.mkdir(parents=True)
        if copy.omitted:
            self._write_controller_log(
                f"WARN {len(copy.omitted)} objects are not visible to the step, because its role "
                "may not read them or because their keys cannot be file paths, such as "
                f"{copy.omitted[0]}"
            )
        code = self._run_process([program, *arguments], environment)
        # On a real cluster, a job writes to S3 while it runs, so what it wrote before it failed is
        # stored too.
        copy.store()
        return self._finish(self._application, code) if self._application else (code, "")

    def _run_process(self, command: list[str], environment: dict[str, str]) -> int:
        with (
            (self._driver_folder / "stdout").open("wb") as stdout,
            (self._driver_folder / "stderr").open("wb") as stderr,
        ):
            with self._lock:
                if self._is_stopped:
                    raise _StepError("The step was stopped before its process started.")
                process = self._process = self._start(command, environment, stdout, stderr)
            self._write_controller_log(f"INFO ProcessRunner started child process {process.pid}")
            with process:
                code = process.wait()
            # Background processes of the command end with it.
            _kill_group(process)
        return code if code >= 0 else 128 - code

    @property
    def _driver_folder(self) -> Path:
        """The folder with the output of the process."""
        return Path(self._folder, self._application.driver_folder if self._application else "")

    def _finish(self, application: YarnApplication, code: int) -> tuple[int, str]:
        """Log the end of an application as `spark-submit` does in cluster mode.

        Args:
            application: The application.
            code: The exit code of its driver.

        Returns:
            The exit code and the error message of `spark-submit`.
        """
        with (self._folder / "stderr").open("a") as stderr:
            stderr.write(application.describe_end(code))
        return (0, "") if code == 0 else (1, application.failure)

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
            stdin=subprocess.PIPE,  # closes when this process ends: the supervisor watches it
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
        )

    def _build_environment(self, credentials: dict[str, str]) -> dict[str, str]:
        """Return the environment of the process, with the credentials of the instance profile.

        The folder of this Python comes first in the PATH, so that its `spark-submit` is used. The
        variable LOCAL_PROGRAMS can name a folder with other programs.
        """
        inherited = {name: os.environ[name] for name in _INHERITED_VARIABLES if name in os.environ}
        bin_folder = str(Path(sys.executable).parent)
        programs, path = os.environ.get("LOCAL_PROGRAMS"), os.environ.get("PATH", os.defpath)
        return inherited | {
            "PATH": os.pathsep.join(filter(None, [programs, bin_folder, path])),
            "TMPDIR": str(self._folder / "tmp"),
            "AWS_ENDPOINT_URL": os.environ["LOCAL_ENDPOINT"],
            "AWS_CA_BUNDLE": os.environ["LOCAL_CA_BUNDLE"],
            "AWS_DEFAULT_REGION": REGION,
            "NO_PROXY": "127.0.0.1,localhost",
            "no_proxy": "127.0.0.1,localhost",
            **credentials,
        }

    def _get_role_arn(self) -> str:
        profile = self._cluster["Ec2InstanceAttributes"]["IamInstanceProfile"]
        role_arn = get_profile_role_arn(profile)
        if role_arn is None:
            raise AssumeRoleError(f"The instance profile {profile} has no role.")
        return role_arn

    def _get_s3_client(self) -> Any:
        return get_client("s3", self._get_role_arn(), _TRUSTED_SERVICE)

    def _store_logs(self) -> str:
        """Store the logs below the cluster's LogUri.

        Returns:
            The URI of the log of standard error, or an empty string if the cluster has no LogUri.
        """
        uri = self._cluster.get("LogUri", "")
        if not uri:
            return ""
        bucket, prefix = split_uri(uri)
        cluster_folder = "/".join(filter(None, [prefix, self._cluster["Id"]]))
        folder = f"{cluster_folder}/steps/{self._id}"
        logs = {f"{folder}/{name}.gz": self._folder / name for name in _LOG_NAMES}
        if self._application:
            for name in _OUTPUT_NAMES:
                key = f"{cluster_folder}/{self._application.driver_folder}/{name}.gz"
                logs[key] = self._driver_folder / name
        try:
            s3 = self._get_s3_client()
            for key, file in logs.items():
                content = gzip.compress(file.read_bytes(), mtime=0)
                s3.put_object(Bucket=bucket, Key=key, Body=content)
        except (ClientError, AssumeRoleError) as error:
            # As on EMR, a step does not fail because its logs cannot be stored.
            _log.warning("cannot store the logs of step %s: %s", self._id, error)
        return f"s3://{bucket}/{folder}/stderr.gz"

    def _write_controller_log(self, message: str) -> None:
        timestamp = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]
        with (self._folder / "controller").open("a") as controller:
            controller.write(f"{timestamp}Z {message}\n")


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
