"""The local cloud from the outside: start it, reach it, end it."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.request import getproxies

import boto3
import botocore.session
from tenacity import RetryError, Retrying, retry_if_result, stop_after_delay, wait_fixed

from local import ACCOUNT, SECRET
from local.server import DESCRIPTION, LOCK

PROJECT = Path(__file__).resolve().parents[1]
LOCAL = PROJECT / ".local"  # all that local clouds leave on this machine
LOG = "server.log"
_STARTING = "starting"
_START_LIMIT = 60.0  # seconds; it takes about two, but machines can be busy
_STOP_LIMIT = 10.0


class CloudError(Exception):
    """The server did not start, or did not end; its words say why."""


class FolderTakenError(CloudError):
    """Another local cloud runs, starts or ends on that folder."""


@dataclass(frozen=True)
class Cloud:
    """A running local cloud, as its server describes it.

    An attached one belongs to a process that still runs, and ends with it.
    """

    folder: Path
    endpoint: str
    pid: int
    region: str
    ca_bundle: Path
    mailbox: Path
    is_attached: bool

    @property
    def name(self) -> str:
        """How a person tells it from the others: its folder's name."""
        return self.folder.name

    @property
    def log(self) -> Path:
        """What the server says."""
        return self.folder / LOG

    def environment(self) -> dict[str, str]:
        """What a program needs so that its plain `aws` and boto3 reach this cloud, as its root."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_CA_BUNDLE": str(self.ca_bundle),
            "AWS_ACCESS_KEY_ID": ACCOUNT,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_REGION": self.region,
            **_past_proxies(),
        }

    def client(self, service: str) -> Any:
        """A boto3 client, as the account's root."""
        # boto3's own types want the service's name as a literal.
        make: Any = _session(self.region).client
        return make(service, endpoint_url=self.endpoint, verify=str(self.ca_bundle))


def start(folder: Path, *, attached: bool = True) -> Cloud:
    """Start a cloud whose state lies in `folder`; it answers when this returns.

    An attached one ends with this process, however that ends; the other lives until `stop`.
    FolderTakenError; CloudError if it does not start.
    """
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    # What lies there is people's rows, in part, and the server's key.
    folder.chmod(0o700)
    with _alone_at(folder):
        return _start(folder, attached=attached)


@contextmanager
def _alone_at(folder: Path) -> Iterator[None]:
    """Keep others from starting there; FolderTakenError if they do, or if a server has it."""
    with (folder / _STARTING).open("w") as starting:
        try:
            fcntl.flock(starting, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FolderTakenError(f"another local cloud is starting on {folder}") from None
        if _is_locked(folder):
            raise FolderTakenError(f"a local cloud already runs on {folder}")
        yield


def _start(folder: Path, *, attached: bool) -> Cloud:
    (folder / DESCRIPTION).unlink(missing_ok=True)
    command = [sys.executable, "-P", "-m", "local.server", str(folder)]
    with (folder / LOG).open("w") as log:
        process = subprocess.Popen(
            [*command, "--attached"] if attached else command,
            # Our end of the pipe closes when we are gone: that is how it knows.
            stdin=subprocess.PIPE if attached else subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=_environment_of_server(),
            cwd=folder,
            start_new_session=True,  # Ctrl-C is for us; we end it in our own order
        )
    try:
        cloud = _wait_for(folder, process)
    except BaseException:
        _end_group(process.pid)
        process.wait()
        raise
    _processes[cloud.pid] = process
    return cloud


@contextmanager
def running(folder: Path) -> Iterator[Cloud]:
    """A cloud for as long as the block runs."""
    cloud = start(folder)
    try:
        yield cloud
    finally:
        stop(cloud.folder)


def find(folder: Path) -> Cloud | None:
    """The cloud that runs on that folder, or None."""
    folder = folder.resolve()
    if not _is_locked(folder):
        return None
    try:
        words = json.loads((folder / DESCRIPTION).read_text())
    except FileNotFoundError:
        return None  # it is starting
    return Cloud(
        folder,
        words["endpoint"],
        words["pid"],
        words["region"],
        Path(words["ca_bundle"]),
        Path(words["mailbox"]),
        words["attached"],
    )


def stop(folder: Path) -> bool:
    """End the cloud on that folder with all that it started; False if none runs there.

    CloudError if it cannot be ended.
    """
    cloud = find(folder)
    if cloud is None:
        return False
    with suppress(ProcessLookupError):
        os.kill(cloud.pid, signal.SIGTERM)
    process = _processes.pop(cloud.pid, None)
    try:
        if not _comes_true(lambda: not _is_locked(cloud.folder), _STOP_LIMIT):
            _end_group(cloud.pid)
            if not _comes_true(lambda: not _is_locked(cloud.folder), _STOP_LIMIT):
                raise CloudError(f"the server, process {cloud.pid}, cannot be ended")
    finally:
        if process is not None and process.stdin is not None:
            process.stdin.close()
    if process is not None:
        process.wait(_STOP_LIMIT)
    (cloud.folder / DESCRIPTION).unlink(missing_ok=True)
    return True


# The servers that this process started: their pipes have to stay open.
_processes: dict[int, subprocess.Popen[bytes]] = {}


def _wait_for(folder: Path, process: subprocess.Popen[bytes]) -> Cloud:
    def is_decided() -> bool:
        return process.poll() is not None or find(folder) is not None

    _comes_true(is_decided, _START_LIMIT)
    cloud = find(folder)
    if cloud is None:
        said = (folder / LOG).read_text(errors="replace").strip().splitlines()[-15:]
        how = "did not start in time" if process.poll() is None else "ended at once"
        raise CloudError("\n".join([f"the local cloud's server {how}:", *said]))
    # It listens already; its first answer is its being ready.
    cloud.client("sts").get_caller_identity()
    return cloud


@cache
def _session(region: str) -> boto3.session.Session:
    """One for all clients: each new one would read the services' descriptions again."""
    return boto3.session.Session(
        aws_access_key_id=ACCOUNT,
        aws_secret_access_key=SECRET,
        region_name=region,
        # A profile that AWS_PROFILE names is a real account's, and need not even be here.
        botocore_session=botocore.session.Session({"profile": (None, None, None, None)}),
    )


def _environment_of_server() -> dict[str, str]:
    """Ours, without what would lead it, or a Lambda in it, to a real account."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return kept | {
        "PYTHONPATH": os.pathsep.join([str(PROJECT), str(PROJECT / "src")]),
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def _past_proxies() -> dict[str, str]:
    """Where this machine has a proxy: that the cloud is reached without it."""
    proxies = getproxies()
    if not proxies:
        return {}
    past = ",".join(filter(None, [proxies.get("no"), "127.0.0.1", "localhost"]))
    return {"NO_PROXY": past, "no_proxy": past}


def _is_locked(folder: Path) -> bool:
    try:
        with (folder / LOCK).open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def _end_group(pid: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def _comes_true(condition: Any, limit: float) -> bool:
    try:
        Retrying(
            retry=retry_if_result(lambda is_true: not is_true),
            stop=stop_after_delay(limit),
            wait=wait_fixed(0.05),
        )(condition)
    except RetryError:
        return False
    return True
