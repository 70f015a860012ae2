"""The local cloud's server: how it is reached, and that nothing of it stays."""

from __future__ import annotations

import http.client
import io
import json
import os
import signal
import stat
import subprocess
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
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
from tests.support.processes import process_group
from tests.support.waiting import wait_until

HANDLER = (
    "import os, time\ndef handler(event, context):\n    return {'pid': os.getpid(), **event}\n"
)


def listening(pids: list[int], *tables: str) -> list[tuple[str, int]]:
    """Address, as the kernel writes it, and port of every socket that they listen on."""
    inodes = set()
    for pid in pids:
        for link in Path(f"/proc/{pid}/fd").iterdir():
            try:
                inodes.add(os.readlink(link))
            except FileNotFoundError:
                continue
    found = []
    for table in tables:
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            words = line.split()
            is_open = words[3] == "0A" or table.startswith("udp")
            if is_open and f"socket:[{words[9]}]" in inodes:
                address, port = words[1].split(":")
                found.append((address, int(port, 16)))
    return found


def make_function(cloud: Cloud, name: str) -> dict[str, Any]:
    """Make a function, call it, and leave its process waiting; what it answered."""
    package = io.BytesIO()
    with zipfile.ZipFile(package, "w") as archive:
        archive.writestr("function.py", HANDLER)
    role = cloud.client("iam").create_role(
        RoleName=name,
        AssumeRolePolicyDocument=json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": {
                    "Effect": "Allow",
                    "Principal": {"Service": "lambda.amazonaws.com"},
                    "Action": "sts:AssumeRole",
                },
            }
        ),
    )
    functions = cloud.client("lambda")
    functions.create_function(
        FunctionName=name,
        Runtime=f"python{sys.version_info.major}.{sys.version_info.minor}",
        Handler="function.handler",
        Role=role["Role"]["Arn"],
        Code={"ZipFile": package.getvalue()},
    )
    answer = functions.invoke(FunctionName=name, Payload=json.dumps({"name": name}))
    answered: dict[str, Any] = json.loads(answer["Payload"].read())
    return answered


def test_it_shows_a_certificate_of_its_own_authority(cloud: Cloud) -> None:
    assert cloud.client("sts").get_caller_identity()["Arn"] == f"arn:aws:iam::{ACCOUNT}:root"
    with pytest.raises(URLError, match="CERTIFICATE_VERIFY_FAILED"):
        urlopen(f"{cloud.endpoint}/_ministack/health")  # noqa: S310


def test_it_speaks_nothing_but_tls(cloud: Cloud) -> None:
    plain = http.client.HTTPConnection(urlsplit(cloud.endpoint).netloc, timeout=10)
    plain.request("GET", "/")
    with pytest.raises((http.client.HTTPException, ConnectionError)):
        plain.getresponse()


def test_plain_boto3_reaches_it_with_the_environment_alone(cloud: Cloud) -> None:
    code = "import boto3; print(boto3.client('sts').get_caller_identity()['Account'])"
    said = subprocess.run(
        [sys.executable, "-c", code],
        env=cloud.environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.strip() == ACCOUNT


def test_an_unknown_key_is_refused(cloud: Cloud) -> None:
    session = boto3.session.Session("AKIAIOSFODNN7EXAMPLE", "guessed", region_name=cloud.region)
    client = session.client("s3", endpoint_url=cloud.endpoint, verify=str(cloud.ca_bundle))
    with pytest.raises(ClientError, match="InvalidAccessKeyId"):
        client.list_buckets()


def test_a_function_runs_with_its_roles_rights_and_trusts_the_certificate(cloud: Cloud) -> None:
    assert make_function(cloud, "trusting")["name"] == "trusting"


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="asks Linux about sockets")
def test_it_listens_on_one_port_of_this_machine_alone(cloud: Cloud) -> None:
    make_function(cloud, "listening")
    port = urlsplit(cloud.endpoint).port
    assert listening(process_group(cloud.pid), "tcp", "tcp6") == [("0100007F", port)]
    # A function's own UDP socket is the tracer's, which only sends.
    assert listening([cloud.pid], "udp", "udp6") == []


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Where a program writes that thinks of nothing: home and the folder for temporary files."""
    folders = [tmp_path / "home", tmp_path / "tmp"]
    for folder, name in zip(folders, ("HOME", "TMPDIR"), strict=True):
        folder.mkdir()
        monkeypatch.setenv(name, str(folder))
    return folders


def test_it_writes_into_its_folder_alone_and_leaves_no_process(
    tmp_path: Path, elsewhere: list[Path]
) -> None:
    folder = tmp_path / "state"
    before = set(Path("/tmp").glob("ministack*"))  # noqa: S108
    with clouds.running(folder) as cloud:
        pid = make_function(cloud, "writing")["pid"]
        assert clouds.find(folder) == cloud
        assert pid in process_group(cloud.pid)
        port = str(urlsplit(cloud.endpoint).port)
    assert wait_until(lambda: process_group(cloud.pid) == [], 10)
    assert clouds.find(folder) is None
    assert not clouds.stop(folder)
    assert [list(path.iterdir()) for path in elsewhere] == [[], []]
    left = set(Path("/tmp").glob("ministack*")) - before  # noqa: S108
    assert not [path for path in left if port in path.name]


def test_nothing_leads_it_to_a_real_account(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    foreign = {"AWS_PROFILE": "real", "AWS_ENDPOINT_URL_S3": "https://x", "AWS_SESSION_TOKEN": "x"}
    for name, value in foreign.items():
        monkeypatch.setenv(name, value)
    with clouds.running(tmp_path) as cloud:
        function = make_function(cloud, "led-astray")["pid"]
        for pid in (cloud.pid, function):
            environment = psutil.Process(pid).environ().items()
            assert not foreign.items() & environment


def test_two_run_side_by_side(cloud: Cloud, tmp_path: Path) -> None:
    with clouds.running(tmp_path) as other:
        assert other.endpoint != cloud.endpoint
        other.client("s3").create_bucket(
            Bucket="only-there", CreateBucketConfiguration={"LocationConstraint": other.region}
        )
        assert "only-there" not in {
            bucket["Name"] for bucket in cloud.client("s3").list_buckets()["Buckets"]
        }
        with pytest.raises(ClientError):  # another authority's, but also another key
            cloud.client("s3").head_bucket(Bucket="only-there")


def test_a_second_one_on_the_same_folder_is_refused(cloud: Cloud) -> None:
    with pytest.raises(CloudError, match="already runs"):
        clouds.start(cloud.folder)
    assert cloud.client("sts").get_caller_identity()


def test_a_server_that_does_not_start_says_why(tmp_path: Path) -> None:
    (tmp_path / "certificate").write_text("in the way")
    with pytest.raises(CloudError, match="FileExistsError"):
        clouds.start(tmp_path)
    assert clouds.find(tmp_path) is None


PARENT = """
import sys, time
from pathlib import Path
from local import cloud
from tests.local.cloud.test_server import make_function
with cloud.running(Path(sys.argv[1])) as running:
    make_function(running, "child")
    print(running.pid, flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_it_ends_with_whoever_started_it(number: signal.Signals, tmp_path: Path) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path)],
        cwd=PROJECT_ROOT,
        env=os.environ | {"PYTHONPATH": f"{PROJECT_ROOT}:{PROJECT_ROOT / 'src'}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert parent.stdout is not None
    try:
        pid = int(parent.stdout.readline())
        assert len(process_group(pid)) == 2
        parent.send_signal(number)
        parent.wait(30)
        assert wait_until(lambda: process_group(pid) == [], 20)
    finally:
        parent.kill()
        parent.stdout.close()
        clouds.stop(tmp_path)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_detached_one_lives_on_until_it_is_told(number: signal.Signals, tmp_path: Path) -> None:
    code = "import sys; from pathlib import Path; from local import cloud; "
    code += "print(cloud.start(Path(sys.argv[1]), stop_with_parent=False).pid)"
    said = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        cwd=PROJECT_ROOT,
        env=os.environ | {"PYTHONPATH": f"{PROJECT_ROOT}:{PROJECT_ROOT / 'src'}"},
        capture_output=True,
        text=True,
        check=True,
    )
    found = clouds.find(tmp_path)
    try:
        assert found is not None
        assert found.pid == int(said.stdout)
        make_function(found, "lasting")
        os.kill(found.pid, number)
        assert wait_until(lambda: process_group(int(said.stdout)) == [], 20)
        # Its lock goes with the last of its threads, a moment after the process is no more.
        assert wait_until(lambda: clouds.find(tmp_path) is None, 10)
    finally:
        clouds.stop(tmp_path)


def test_of_two_that_start_at_once_one_is_refused_and_the_other_lives(tmp_path: Path) -> None:
    with ThreadPoolExecutor(2) as pool:
        tries = [pool.submit(clouds.start, tmp_path) for _ in range(2)]
        errors = [attempt.exception() for attempt in tries]
    try:
        [refused] = [error for error in errors if error is not None]
        [started] = [
            attempt.result() for attempt, error in zip(tries, errors, strict=True) if error is None
        ]
        assert isinstance(refused, FolderInUseError)
        assert clouds.find(tmp_path) == started
        assert started.client("sts").get_caller_identity()
        assert started.log.stat().st_size > 0
    finally:
        clouds.stop(tmp_path)


def test_nobody_else_may_read_what_lies_there(cloud: Cloud) -> None:
    assert stat.S_IMODE(cloud.folder.stat().st_mode) == 0o700
    assert cloud.stops_with_parent
