"""`./run invoke`: what it finds, and a function on the real runtime interface."""

from __future__ import annotations

import json
import os
import platform
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from typer.testing import CliRunner

from cli.__main__ import app
from cli.cloud import invoke as command
from local import lambda_runtime
from local.errors import UserError
from local.lambda_runtime import Function, RuntimeUnavailableError, invoke
from tests.support.processes import is_alive
from tests.support.waiting import wait_until

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="the emulator is a Linux program")

HANDLER = """
import os
import time

def handler(event, context):
    print("seen", event["word"])
    if event["word"] == "fail":
        raise LookupError("not found")
    if event["word"] == "sleep":
        time.sleep(60)
    if event["word"] == "typer":
        import typer
    import boto3
    return {
        "word": event["word"].upper(),
        "name": context.function_name,
        "memory": context.memory_limit_in_mb,
        "remaining": context.get_remaining_time_in_millis(),
        "own": os.environ["OWN"],
        "others": os.environ.get("OF_THE_USER"),
    }
"""


@pytest.fixture
def function(tmp_path: Path) -> Function:
    package = tmp_path / "package"
    (package / "inner").mkdir(parents=True)
    (package / "inner" / "module.py").write_text(HANDLER, "utf-8")
    return Function("my-function", "inner.module.handler", package, 256, 3, {"OWN": "variable"})


def ask(function: Function, word: str) -> tuple[Any, lambda_runtime.InvocationResult]:
    outcome = invoke(function, json.dumps({"word": word}))
    return json.loads(outcome.payload), outcome


@on_linux
def test_a_function_runs_as_lambda_runs_it(
    function: Function, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OF_THE_USER", "x")
    answer, outcome = ask(function, "grüezi")
    assert not outcome.is_error
    remaining = answer.pop("remaining")
    assert 0 < remaining <= 3000
    assert answer == {
        "word": "GRÜEZI",
        "name": "my-function",
        "memory": "256",
        "own": "variable",
        "others": None,
    }
    assert "seen grüezi" in outcome.log.splitlines()
    assert outcome.log.splitlines()[-1].startswith("REPORT RequestId")
    assert "rapid" not in outcome.log


@on_linux
def test_an_exception_is_an_error_with_its_type(function: Function) -> None:
    answer, outcome = ask(function, "fail")
    assert outcome.is_error
    assert (answer["errorType"], answer["errorMessage"]) == ("LookupError", "not found")
    assert "seen fail" in outcome.log


@on_linux
def test_a_dependency_that_the_package_lacks_is_noticed(function: Function) -> None:
    answer, outcome = ask(function, "typer")  # installed here, and in no Lambda
    assert outcome.is_error
    assert answer["errorType"] in {"ModuleNotFoundError", "Runtime.ImportModuleError"}


@on_linux
def test_a_function_that_takes_too_long_is_ended(function: Function) -> None:
    began = time.monotonic()
    answer, outcome = ask(function, "sleep")
    assert answer["errorMessage"] == "Task timed out after 3.00 seconds"
    assert outcome.is_error
    assert time.monotonic() - began < 30


CALLER = """
import sys
from pathlib import Path
from local.lambda_runtime import Function, invoke
invoke(Function("f", "waiting.handler", Path(sys.argv[1]), 256, 600, {}), "{}")
"""
WAITING = """
import os, time
from pathlib import Path

def handler(event, context):
    Path(__file__).with_name("pid").write_text(f"{os.getpid()}\\n")
    time.sleep(600)
"""


@on_linux
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_runs_on_when_the_call_is_broken_off(
    tmp_path: Path, number: signal.Signals
) -> None:
    (tmp_path / "waiting.py").write_text(WAITING)
    mark = tmp_path / "pid"
    caller = subprocess.Popen(
        [sys.executable, "-c", CALLER, str(tmp_path)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        stderr=subprocess.DEVNULL,
    )
    try:
        assert wait_until(lambda: mark.exists() and mark.read_text().endswith("\n"), 30)
        function = int(mark.read_text())
        emulator = psutil.Process(function).ppid()
        caller.send_signal(number)
        caller.wait(30)
    finally:
        caller.kill()
    assert wait_until(lambda: not is_alive(function) and not is_alive(emulator), 20)


@pytest.mark.parametrize(("system", "machine"), [("Darwin", "arm64"), ("Linux", "riscv64")])
def test_another_machine_is_told_in_one_line(
    function: Function, monkeypatch: pytest.MonkeyPatch, system: str, machine: str
) -> None:
    monkeypatch.setattr(platform, "system", lambda: system)
    monkeypatch.setattr(platform, "machine", lambda: machine)
    with pytest.raises(
        RuntimeUnavailableError, match=r"use `sam local invoke`, which needs Docker$"
    ) as error:
        invoke(function, "{}")
    assert "\n" not in str(error.value)


def test_an_event_is_a_file_or_a_name(tmp_path: Path) -> None:
    own = tmp_path / "own.json"
    own.write_text('{"a": 1}', "utf-8")
    assert command.find_event(str(own)) == '{"a": 1}'
    expected = (command.EVENTS / "upload_users.json").read_text("utf-8")
    assert command.find_event("upload_users") == expected
    assert command.find_event("upload_users.json") == expected


def test_an_event_that_is_none_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"there are .*upload_users, "):
        command.find_event("uploaded")
    broken = tmp_path / "broken.json"
    broken.write_text("{", "utf-8")
    with pytest.raises(UserError, match="is no JSON"):
        command.find_event(str(broken))


class FakeCloud:
    """A cloud with two of the stack's functions."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, build: Path) -> None:
        self._deployed = [
            command.Deployed(logical_id, _configuration(module))
            for logical_id, module in (
                ("PinInputsFunction", "pin_inputs"),
                ("ReceiveUploadFunction", "receive_upload"),
            )
        ]
        monkeypatch.setattr(command, "deployed_functions", lambda _: self._deployed)
        monkeypatch.setattr(command, "BUILD_FOLDER", build)
        for one in self._deployed:
            (build / "template" / one.logical_id).mkdir(parents=True)

    def environment(self) -> dict[str, str]:
        return {"AWS_ENDPOINT_URL": "https://127.0.0.1:1", "AWS_ACCESS_KEY_ID": "root"}

    def client(self, service: str) -> FakeCloud:
        assert service == "sts"
        return self

    def assume_role(self, RoleArn: str, RoleSessionName: str) -> Any:  # noqa: N803
        assert RoleSessionName
        keys = {"AccessKeyId": RoleArn, "SecretAccessKey": "s", "SessionToken": "t"}
        return {"Credentials": keys}


def _configuration(module: str) -> dict[str, Any]:
    return {
        "FunctionName": f"stack-{module}-XYZ",
        "Handler": f"handlers.{module}.handler",
        "Role": f"role-of-{module}",
        "MemorySize": 512,
        "Timeout": 120,
        "Environment": {"Variables": {"BUCKET": "rental-data"}},
    }


@pytest.mark.parametrize("words", ["receive_upload", "ReceiveUploadFunction"])
def test_a_function_goes_by_either_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, words: str
) -> None:
    cloud: Any = FakeCloud(monkeypatch, tmp_path)
    assert command.find_function(cloud, words) == Function(
        name="stack-receive_upload-XYZ",
        handler="handlers.receive_upload.handler",
        package=tmp_path / "template" / "ReceiveUploadFunction",
        memory_mb=512,
        timeout_seconds=120,
        environment={
            "AWS_ENDPOINT_URL": "https://127.0.0.1:1",
            "AWS_ACCESS_KEY_ID": "role-of-receive_upload",
            "AWS_SECRET_ACCESS_KEY": "s",
            "AWS_SESSION_TOKEN": "t",
            "BUCKET": "rental-data",
        },
    )


def test_another_name_is_told_with_those_that_there_are(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    cloud: Any = FakeCloud(monkeypatch, tmp_path)
    with pytest.raises(UserError, match="there are pin_inputs, receive_upload"):
        command.find_function(cloud, "upload")


def test_without_a_cloud_it_says_what_to_do_first(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("cli.cloud.target.LOCAL_FOLDER", tmp_path)
    monkeypatch.setattr("cli.cloud.target.CLOUD", tmp_path / "cloud")
    result = CliRunner().invoke(app, ["invoke", "receive_upload", "upload_users"])
    assert isinstance(result.exception, UserError)
    assert str(result.exception) == "no local cloud is running: ./run local up starts one"
