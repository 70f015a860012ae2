"""`./run invoke`: finding functions and events, and invoking a function in the emulator."""

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
from cli.cloud import invoke as invoke_module
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
    print("received", event["action"])
    if event["action"] == "fail":
        raise LookupError("not found")
    if event["action"] == "sleep":
        time.sleep(60)
    if event["action"] == "import typer":
        import typer
    import boto3
    return {
        "action": event["action"].upper(),
        "name": context.function_name,
        "memory": context.memory_limit_in_mb,
        "remaining": context.get_remaining_time_in_millis(),
        "configured": os.environ["CONFIGURED"],
        "inherited": os.environ.get("INHERITED"),
        "boto3": boto3.__version__,
    }
"""


@pytest.fixture
def function(tmp_path: Path) -> Function:
    package = tmp_path / "package"
    (package / "inner").mkdir(parents=True)
    (package / "inner" / "module.py").write_text(HANDLER, "utf-8")
    return Function(
        "my-function", "inner.module.handler", package, 256, 3, {"CONFIGURED": "variable"}
    )


def invoke_with_action(
    function: Function, action: str
) -> tuple[Any, lambda_runtime.InvocationResult]:
    result = invoke(function, json.dumps({"action": action}))
    return json.loads(result.payload), result


@on_linux
def test_function_runs_with_its_own_environment_and_limits(
    function: Function, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INHERITED", "x")
    response, result = invoke_with_action(function, "grüezi")
    assert not result.is_error
    remaining = response.pop("remaining")
    assert 0 < remaining <= 3000
    assert response == {
        "action": "GRÜEZI",
        "name": "my-function",
        "memory": "256",
        "configured": "variable",
        "inherited": None,
        "boto3": "1.40.4",  # of the oldest runtime of Lambda, not of this environment
    }
    assert "received grüezi" in result.log.splitlines()
    assert result.log.splitlines()[-1].startswith("REPORT RequestId")
    assert "rapid" not in result.log


@on_linux
def test_exception_is_an_error_with_its_type(function: Function) -> None:
    response, result = invoke_with_action(function, "fail")
    assert result.is_error
    assert (response["errorType"], response["errorMessage"]) == ("LookupError", "not found")
    assert "received fail" in result.log


@on_linux
def test_missing_dependency_of_the_package_is_an_error(function: Function) -> None:
    # typer is installed in this environment, but not in the package of the function.
    response, result = invoke_with_action(function, "import typer")
    assert result.is_error
    assert response["errorType"] in {"ModuleNotFoundError", "Runtime.ImportModuleError"}


@on_linux
def test_function_is_stopped_after_its_timeout(function: Function) -> None:
    start = time.monotonic()
    response, result = invoke_with_action(function, "sleep")
    assert response["errorMessage"] == "Task timed out after 3.00 seconds"
    assert result.is_error
    assert time.monotonic() - start < 30


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
def test_no_process_remains_after_the_caller_was_stopped(
    tmp_path: Path, number: signal.Signals
) -> None:
    (tmp_path / "waiting.py").write_text(WAITING)
    pid_file = tmp_path / "pid"
    caller = subprocess.Popen(
        [sys.executable, "-c", CALLER, str(tmp_path)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        stderr=subprocess.DEVNULL,
    )
    try:
        assert wait_until(lambda: pid_file.exists() and pid_file.read_text().endswith("\n"), 30)
        function_pid = int(pid_file.read_text())
        emulator_pid = psutil.Process(function_pid).ppid()
        caller.send_signal(number)
        caller.wait(30)
    finally:
        caller.kill()
    assert wait_until(lambda: not is_alive(function_pid) and not is_alive(emulator_pid), 20)


@pytest.mark.parametrize(("system", "machine"), [("Darwin", "arm64"), ("Linux", "riscv64")])
def test_unsupported_platform_is_reported_in_one_line(
    function: Function, monkeypatch: pytest.MonkeyPatch, system: str, machine: str
) -> None:
    monkeypatch.setattr(platform, "system", lambda: system)
    monkeypatch.setattr(platform, "machine", lambda: machine)
    with pytest.raises(
        RuntimeUnavailableError, match=r"use `sam local invoke`, which needs Docker$"
    ) as caught:
        invoke(function, "{}")
    assert "\n" not in str(caught.value)


def test_event_is_a_file_or_a_name(tmp_path: Path) -> None:
    file = tmp_path / "own.json"
    file.write_text('{"a": 1}', "utf-8")
    assert invoke_module.read_event(str(file)) == '{"a": 1}'
    expected = (invoke_module.EVENTS_FOLDER / "upload_users.json").read_text("utf-8")
    assert invoke_module.read_event("upload_users") == expected
    assert invoke_module.read_event("upload_users.json") == expected


def test_missing_or_invalid_event_is_reported(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"specify a JSON file or one of .*upload_users, "):
        invoke_module.read_event("uploaded")
    broken = tmp_path / "broken.json"
    broken.write_text("{", "utf-8")
    with pytest.raises(UserError, match="is not valid JSON"):
        invoke_module.read_event(str(broken))


class FakeCloud:
    """A cloud with two deployed and built functions."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, build: Path) -> None:
        self._functions = [
            invoke_module.DeployedFunction(logical_id, _configuration(module))
            for logical_id, module in (
                ("PinInputsFunction", "pin_inputs"),
                ("ReceiveUploadFunction", "receive_upload"),
            )
        ]
        monkeypatch.setattr(invoke_module, "list_deployed_functions", lambda _: self._functions)
        monkeypatch.setattr(invoke_module, "BUILD_FOLDER", build)
        for function in self._functions:
            (build / "template" / function.logical_id).mkdir(parents=True)

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


@pytest.mark.parametrize("name", ["receive_upload", "ReceiveUploadFunction"])
def test_function_is_found_by_module_name_or_logical_id(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    cloud: Any = FakeCloud(monkeypatch, tmp_path)
    assert invoke_module.find_function(cloud, name) == Function(
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


def test_unknown_function_is_reported_with_the_existing_names(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    cloud: Any = FakeCloud(monkeypatch, tmp_path)
    with pytest.raises(UserError, match="specify one of pin_inputs, receive_upload"):
        invoke_module.find_function(cloud, "upload")


@pytest.mark.usefixtures("local_folder")
def test_missing_cloud_is_reported_with_the_command_that_starts_one() -> None:
    result = CliRunner().invoke(app, ["invoke", "receive_upload", "upload_users"])
    assert isinstance(result.exception, UserError)
    assert str(result.exception) == "no local cloud is running: start one with ./run local up"
