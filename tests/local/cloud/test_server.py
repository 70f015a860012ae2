"""Tests of the local cloud's server: how to reach it, and that it leaves nothing behind."""

from __future__ import annotations

import http.client
import os
import signal
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import urlopen

import boto3
import psutil
import pytest
from botocore.exceptions import ClientError

from local import ACCOUNT
from local import cloud as clouds
from local.cloud import PROJECT_ROOT, Cloud, CloudError, FolderInUseError
from tests.local.support.functions import create_and_invoke_function
from tests.support.processes import list_process_group
from tests.support.waiting import wait_until

TCP_LISTEN = "0A"  # a state in /proc/net/tcp
LOCALHOST = "0100007F"  # 127.0.0.1 in /proc/net/tcp
PYTHONPATH = {"PYTHONPATH": f"{PROJECT_ROOT}:{PROJECT_ROOT / 'src'}"}


def list_open_sockets(pids: list[int], *tables: str) -> list[tuple[str, int]]:
    """Return the address, in the kernel's notation, and the port of each listening socket.

    Args:
        pids: The processes that own the sockets.
        tables: Files in /proc/net. Every UDP socket counts as listening.
    """
    inodes = set()
    for pid in pids:
        for link in Path(f"/proc/{pid}/fd").iterdir():
            try:
                inodes.add(os.readlink(link))
            except FileNotFoundError:
                continue
    sockets = []
    for table in tables:
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            is_open = fields[3] == TCP_LISTEN or table.startswith("udp")
            if is_open and f"socket:[{fields[9]}]" in inodes:
                address, port = fields[1].split(":")
                sockets.append((address, int(port, 16)))
    return sockets


def test_certificate_is_signed_by_own_authority(cloud: Cloud) -> None:
    assert cloud.client("sts").get_caller_identity()["Arn"] == f"arn:aws:iam::{ACCOUNT}:root"
    with pytest.raises(URLError, match="CERTIFICATE_VERIFY_FAILED"):
        urlopen(f"{cloud.endpoint}/_ministack/health")  # noqa: S310


def test_server_accepts_only_tls(cloud: Cloud) -> None:
    plain = http.client.HTTPConnection(urlsplit(cloud.endpoint).netloc, timeout=10)
    plain.request("GET", "/")
    with pytest.raises((http.client.HTTPException, ConnectionError)):
        plain.getresponse()


def test_unmodified_boto3_needs_only_environment(cloud: Cloud) -> None:
    code = "import boto3; print(boto3.client('sts').get_caller_identity()['Account'])"
    result = subprocess.run(
        [sys.executable, "-c", code],
        env=cloud.environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.strip() == ACCOUNT


def test_unknown_access_key_is_rejected(cloud: Cloud) -> None:
    session = boto3.session.Session("AKIAIOSFODNN7EXAMPLE", "guessed", region_name=cloud.region)
    client = session.client("s3", endpoint_url=cloud.endpoint, verify=str(cloud.ca_bundle))
    with pytest.raises(ClientError, match="InvalidAccessKeyId"):
        client.list_buckets()


def test_function_trusts_certificate_and_has_permissions_of_role(cloud: Cloud) -> None:
    assert create_and_invoke_function(cloud, "trusting")["name"] == "trusting"


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="reads the sockets of Linux")
def test_server_listens_on_one_local_port(cloud: Cloud) -> None:
    create_and_invoke_function(cloud, "listening")
    port = urlsplit(cloud.endpoint).port
    assert list_open_sockets(list_process_group(cloud.pid), "tcp", "tcp6") == [(LOCALHOST, port)]
    assert list_open_sockets(list_process_group(cloud.pid), "udp", "udp6") == []


@pytest.fixture
def default_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The folders where a program writes by default: the home folder and the temporary folder."""
    folders = [tmp_path / "home", tmp_path / "tmp"]
    for folder, name in zip(folders, ("HOME", "TMPDIR"), strict=True):
        folder.mkdir()
        monkeypatch.setenv(name, str(folder))
    return folders


def test_stopped_cloud_leaves_no_process_and_no_file_outside_its_folder(
    tmp_path: Path, default_folders: list[Path]
) -> None:
    folder = tmp_path / "state"
    before = set(Path("/tmp").glob("ministack*"))  # noqa: S108
    with clouds.running(folder) as cloud:
        pid = create_and_invoke_function(cloud, "writing")["pid"]
        assert clouds.find(folder) == cloud
        assert pid in list_process_group(cloud.pid)
        port = str(urlsplit(cloud.endpoint).port)
    assert wait_until(lambda: list_process_group(cloud.pid) == [], 10)
    assert clouds.find(folder) is None
    assert not clouds.stop(folder)
    assert [list(default_folder.iterdir()) for default_folder in default_folders] == [[], []]
    new_files = set(Path("/tmp").glob("ministack*")) - before  # noqa: S108
    assert not [path for path in new_files if port in path.name]


def test_server_ignores_aws_variables_of_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = {"AWS_PROFILE": "real", "AWS_ENDPOINT_URL_S3": "https://x", "AWS_SESSION_TOKEN": "x"}
    for name, value in real.items():
        monkeypatch.setenv(name, value)
    with clouds.running(tmp_path) as cloud:
        function_pid = create_and_invoke_function(cloud, "isolated")["pid"]
        for pid in (cloud.pid, function_pid):
            environment = psutil.Process(pid).environ().items()
            assert not real.items() & environment


def test_two_clouds_are_independent(cloud: Cloud, tmp_path: Path) -> None:
    with clouds.running(tmp_path) as other:
        assert other.endpoint != cloud.endpoint
        other.client("s3").create_bucket(
            Bucket="only-there", CreateBucketConfiguration={"LocationConstraint": other.region}
        )
        assert "only-there" not in {
            bucket["Name"] for bucket in cloud.client("s3").list_buckets()["Buckets"]
        }
        with pytest.raises(ClientError):
            cloud.client("s3").head_bucket(Bucket="only-there")


def test_second_cloud_in_same_folder_is_rejected(cloud: Cloud) -> None:
    with pytest.raises(CloudError, match="already running"):
        clouds.start(cloud.folder)
    assert cloud.client("sts").get_caller_identity()


def test_failed_start_reports_reason(tmp_path: Path) -> None:
    (tmp_path / "certificate").write_text("a file where the server needs a folder")
    with pytest.raises(CloudError, match="FileExistsError"):
        clouds.start(tmp_path)
    assert clouds.find(tmp_path) is None


PARENT = """
import sys, time
from pathlib import Path
from local import cloud
from tests.local.support.functions import create_and_invoke_function
with cloud.running(Path(sys.argv[1])) as running:
    create_and_invoke_function(running, "child")
    print(running.pid, flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_cloud_stops_with_its_parent(number: signal.Signals, tmp_path: Path) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path)],
        cwd=PROJECT_ROOT,
        env=os.environ | PYTHONPATH,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert parent.stdout is not None
    try:
        pid = int(parent.stdout.readline())
        assert len(list_process_group(pid)) == 2
        parent.send_signal(number)
        parent.wait(30)
        assert wait_until(lambda: list_process_group(pid) == [], 20)
    finally:
        parent.kill()
        parent.stdout.close()
        clouds.stop(tmp_path)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_detached_cloud_runs_until_it_receives_signal(
    number: signal.Signals, tmp_path: Path
) -> None:
    code = "import sys; from pathlib import Path; from local import cloud; "
    code += "print(cloud.start(Path(sys.argv[1]), stop_with_parent=False).pid)"
    result = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        cwd=PROJECT_ROOT,
        env=os.environ | PYTHONPATH,
        capture_output=True,
        text=True,
        check=True,
    )
    cloud = clouds.find(tmp_path)
    try:
        assert cloud is not None
        assert cloud.pid == int(result.stdout)
        create_and_invoke_function(cloud, "lasting")
        os.kill(cloud.pid, number)
        assert wait_until(lambda: list_process_group(int(result.stdout)) == [], 20)
        # The lock is released with the last thread, a moment after the process group is empty.
        assert wait_until(lambda: clouds.find(tmp_path) is None, 10)
    finally:
        clouds.stop(tmp_path)


def test_one_of_two_simultaneous_starts_is_rejected(tmp_path: Path) -> None:
    with ThreadPoolExecutor(2) as pool:
        attempts = [pool.submit(clouds.start, tmp_path) for _ in range(2)]
        errors = [attempt.exception() for attempt in attempts]
    try:
        [error] = [error for error in errors if error is not None]
        [started] = [
            attempt.result()
            for attempt, error in zip(attempts, errors, strict=True)
            if error is None
        ]
        assert isinstance(error, FolderInUseError)
        assert clouds.find(tmp_path) == started
        assert started.client("sts").get_caller_identity()
        assert started.log.stat().st_size > 0
    finally:
        clouds.stop(tmp_path)


def test_folder_is_readable_only_by_its_owner(cloud: Cloud) -> None:
    assert stat.S_IMODE(cloud.folder.stat().st_mode) == 0o700
    assert cloud.stops_with_parent
