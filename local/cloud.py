"""Start, find, reach, and stop a local cloud from outside its server process."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from urllib.request import getproxies

import boto3
import botocore.session
from tenacity import RetryError, Retrying, retry_if_result, stop_after_delay, wait_fixed

from local.errors import LocalCloudError
from local.server_files import DESCRIPTION_FILE, LOCK_FILE

PROJECT_ROOT = Path(__file__).resolve().parents[1]
LOCAL_FOLDER = PROJECT_ROOT / ".local"  # local clouds write nowhere else on this machine
_LOG_FILE = "server.log"
_START_LOCK_FILE = "starting"
_START_TIMEOUT = 60.0  # seconds; a start takes about two, but the machine may be busy
_STOP_TIMEOUT = 10.0  # seconds
_LOG_LINES_IN_ERROR = 15


class CloudError(LocalCloudError):
    """The server did not start or did not stop."""


class FolderInUseError(CloudError):
    """Another local cloud is using the folder."""


@dataclass(frozen=True)
class Cloud:
    """A running local cloud, as its server describes it.

    Attributes:
        folder: The folder with all files of the cloud.
        endpoint: The URL of its only endpoint.
        pid: The process ID of its server.
        region: The only region that it serves.
        ca_bundle: The certificate authorities that verify its certificate.
        mailbox_folder: The folder where it stores emails.
        stops_with_parent: Whether it belongs to a running process and stops with that process.
        access_key: The access key of the account's root user, as environment variables. Each start
            creates a new one.
    """

    folder: Path
    endpoint: str
    pid: int
    region: str
    ca_bundle: Path
    mailbox_folder: Path
    stops_with_parent: bool
    access_key: Mapping[str, str] = field(repr=False, hash=False)

    @property
    def name(self) -> str:
        """The name that identifies the cloud to a user: the name of its folder."""
        return self.folder.name

    @property
    def log(self) -> Path:
        """The log file of the server."""
        return self.folder / _LOG_FILE

    def environment(self) -> dict[str, str]:
        """Return the variables with which an unmodified `aws` or boto3 reaches this cloud as root.

        Returns:
            The environment variables, by name.
        """
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_CA_BUNDLE": str(self.ca_bundle),
            **self.access_key,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_REGION": self.region,
            **_proxy_exclusions(),
        }

    def client(self, service: str) -> Any:
        """Return a boto3 client that acts as the account's root user."""
        # The type stubs of boto3 require the service name as a literal.
        create_client: Any = _session(self.region).client
        return create_client(
            service,
            endpoint_url=self.endpoint,
            verify=str(self.ca_bundle),
            aws_access_key_id=self.access_key["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.access_key["AWS_SECRET_ACCESS_KEY"],
        )


def start(
    folder: Path, *, stop_with_parent: bool = True, server_module: str = "local.server"
) -> Cloud:
    """Start a local cloud that keeps its state in `folder`, and wait until it responds.

    Args:
        folder: The folder for all files of the cloud. Created if it does not exist.
        stop_with_parent: Whether the cloud stops when this process ends, however it ends.
            Otherwise it runs until `stop` is called.
        server_module: The module that serves. Tests have one that injects faults.

    Returns:
        The running cloud.

    Raises:
        FolderInUseError: Another local cloud is using the folder.
        CloudError: The server did not start.
    """
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    # The folder contains uploaded rows, which may be personal data, and the server's private key.
    folder.chmod(0o700)
    with _start_lock(folder):
        return _start(folder, server_module, stop_with_parent=stop_with_parent)


@contextmanager
def _start_lock(folder: Path) -> Iterator[None]:
    """Keep other processes from starting a cloud in the folder at the same time."""
    with (folder / _START_LOCK_FILE).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FolderInUseError(
                f"another local cloud is starting in {folder}: wait until it has started"
            ) from None
        if _is_locked(folder):
            raise FolderInUseError(
                f"a local cloud is already running in {folder}: to stop it, run ./run local down"
            )
        yield


def _start(folder: Path, server_module: str, *, stop_with_parent: bool) -> Cloud:
    (folder / DESCRIPTION_FILE).unlink(missing_ok=True)
    command = [sys.executable, "-P", "-m", server_module, str(folder)]
    with (folder / _LOG_FILE).open("w") as log:
        process = subprocess.Popen(
            [*command, "--stop-with-parent"] if stop_with_parent else command,
            # The operating system closes our end of the pipe when this process ends. That is how
            # the server notices.
            stdin=subprocess.PIPE if stop_with_parent else subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=_server_environment(),
            cwd=folder,
            start_new_session=True,  # Ctrl-C reaches only this process, which stops the server
        )
    try:
        cloud = _wait_for_start(folder, process)
    except BaseException:
        _kill_process_group(process.pid)
        process.wait()
        raise
    _started_processes[cloud.pid] = process
    return cloud


@contextmanager
def running(folder: Path) -> Iterator[Cloud]:
    """Run a local cloud for the duration of the block.

    Yields:
        The running cloud.

    Raises:
        CloudError: The server did not start or did not stop.
    """
    cloud = start(folder)
    try:
        yield cloud
    finally:
        stop(cloud.folder)


def find(folder: Path) -> Cloud | None:
    """Return the cloud that runs in the folder, or `None` if none runs or it is still starting."""
    folder = folder.resolve()
    if not _is_locked(folder):
        return None
    try:
        description = json.loads((folder / DESCRIPTION_FILE).read_text())
    except FileNotFoundError:
        return None  # the server is still starting
    return Cloud(
        folder,
        description["endpoint"],
        description["pid"],
        description["region"],
        Path(description["ca_bundle"]),
        Path(description["mailbox_folder"]),
        description["stops_with_parent"],
        description["access_key"],
    )


def stop(folder: Path) -> bool:
    """Stop the cloud that runs in the folder, with every process that it started.

    Returns:
        Whether a cloud was running there.

    Raises:
        CloudError: The server did not stop, even after it was killed.
    """
    cloud = find(folder)
    if cloud is None:
        return False
    with suppress(ProcessLookupError):
        os.kill(cloud.pid, signal.SIGTERM)
    process = _started_processes.pop(cloud.pid, None)
    try:
        if not _wait_until(lambda: not _is_locked(cloud.folder), _STOP_TIMEOUT):
            _kill_process_group(cloud.pid)
            if not _wait_until(lambda: not _is_locked(cloud.folder), _STOP_TIMEOUT):
                raise CloudError(
                    f"the local cloud in {cloud.folder} did not stop: kill process {cloud.pid}"
                )
    finally:
        if process is not None and process.stdin is not None:
            process.stdin.close()
    if process is not None:
        process.wait(_STOP_TIMEOUT)
    (cloud.folder / DESCRIPTION_FILE).unlink(missing_ok=True)
    return True


# The servers that this process started, by process ID. Their pipes have to stay open.
_started_processes: dict[int, subprocess.Popen[bytes]] = {}


def _wait_for_start(folder: Path, process: subprocess.Popen[bytes]) -> Cloud:
    def has_started_or_exited() -> bool:
        return process.poll() is not None or find(folder) is not None

    _wait_until(has_started_or_exited, _START_TIMEOUT)
    cloud = find(folder)
    if cloud is None:
        log = folder / _LOG_FILE
        last_lines = log.read_text(errors="replace").strip().splitlines()[-_LOG_LINES_IN_ERROR:]
        reason = (
            f"did not start within {_START_TIMEOUT:.0f} seconds"
            if process.poll() is None
            else f"exited with code {process.returncode} while it was starting"
        )
        heading = f"the local cloud's server {reason}; last lines of {log}:"
        raise CloudError("\n".join([heading, *last_lines]))
    # The server already listens. Its first response shows that it is ready.
    cloud.client("sts").get_caller_identity()
    return cloud


@cache
def _session(region: str) -> boto3.session.Session:
    """Return one session for all clients: each new session loads the service models again."""
    return boto3.session.Session(
        region_name=region,
        # Ignore AWS_PROFILE: its profile belongs to a real account and may not exist here.
        botocore_session=botocore.session.Session({"profile": (None, None, None, None)}),
    )


def _server_environment() -> dict[str, str]:
    """Return our environment without variables that lead the server or a Lambda to real AWS."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return kept | {
        "PYTHONPATH": os.pathsep.join([str(PROJECT_ROOT), str(PROJECT_ROOT / "src")]),
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def _proxy_exclusions() -> dict[str, str]:
    """Return variables that exclude the local cloud from this machine's proxy, if it has one."""
    proxies = getproxies()
    if not proxies:
        return {}
    excluded = ",".join(filter(None, [proxies.get("no"), "127.0.0.1", "localhost"]))
    return {"NO_PROXY": excluded, "no_proxy": excluded}


def _is_locked(folder: Path) -> bool:
    try:
        with (folder / LOCK_FILE).open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def _kill_process_group(pid: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def _wait_until(condition: Callable[[], bool], timeout: float) -> bool:
    """Return whether the condition becomes true within `timeout` seconds."""
    try:
        Retrying(
            retry=retry_if_result(lambda is_true: not is_true),
            stop=stop_after_delay(timeout),
            wait=wait_fixed(0.05),
        )(condition)
    except RetryError:
        return False
    return True
