"""Run a built function on the real Lambda runtime interface, without Docker.

The runtime interface emulator that aws-sam-cli ships acts as the Lambda service, and `awslambdaric`
is the client that every Python function on AWS runs in. The function can import its own package and
what the runtime provides (`local.function_environment`), but nothing else that is installed here. A
dependency that is missing from the package therefore shows up as an import error.
"""

from __future__ import annotations

import json
import os
import platform
import re
import socket
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from tenacity import (
    retry,
    retry_if_exception_type,
    retry_if_result,
    stop_after_delay,
    wait_fixed,
)

from local import supervisor
from local.cloud import LOCAL_FOLDER
from local.function_environment import get_function_python

_EMULATORS = {
    "x86_64": "aws-lambda-rie-x86_64",
    "aarch64": "aws-lambda-rie-arm64",
}
_START_TIMEOUT = 20.0  # seconds
_LOG_TIMEOUT = 5.0  # seconds
_LAST_LOG_LINE = "REPORT RequestId"
_RESPONSE_MARGIN = 30.0  # seconds in addition to the timeout of the function
_EMULATOR_LOG_LINE = re.compile(r"\(rapid\)")


class RuntimeUnavailableError(Exception):
    """This machine cannot run Lambda's runtime interface emulator."""


@dataclass(frozen=True)
class Function:
    """A built function and its configuration.

    Attributes:
        name: The name of the function on AWS.
        handler: Its handler, such as `handlers.check_run.handler`.
        package: The folder with its code.
        memory_mb: Its memory, in MB.
        timeout_seconds: Its timeout, in seconds.
        environment: Its environment variables, by name.
    """

    name: str
    handler: str
    package: Path
    memory_mb: int
    timeout_seconds: int
    environment: Mapping[str, str]


@dataclass(frozen=True)
class InvocationResult:
    """The response of an invocation, as JSON, and what the function logged."""

    payload: str
    log: str

    @property
    def is_error(self) -> bool:
        """Whether the function failed. The payload then contains the type of the error."""
        response = json.loads(self.payload)
        return isinstance(response, dict) and {"errorType", "errorMessage"} <= response.keys()


def invoke(function: Function, event: str) -> InvocationResult:
    """Invoke a function once.

    Args:
        function: The function to invoke.
        event: The event, as JSON.

    Returns:
        The response and the log.

    Raises:
        RuntimeUnavailableError: This machine cannot run the emulator.
        UserError: The environment of the functions has not been created.
    """
    emulator = _find_emulator()
    LOCAL_FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="invoke-", dir=LOCAL_FOLDER) as folder:
        log = Path(folder) / "log"
        address, runtime_address = (f"127.0.0.1:{port}" for port in _find_free_ports(2))
        command = [str(emulator), "--runtime-interface-emulator-address", address]
        command += ["--runtime-api-address", runtime_address]
        command += [str(get_function_python()), "-m", "awslambdaric", function.handler]
        with _run_process(command, function, log):
            payload = _send_event(address, event, function.timeout_seconds + _RESPONSE_MARGIN)
            lines = _read_complete_log(log).splitlines()
    function_lines = (line for line in lines if not _EMULATOR_LOG_LINE.search(line))
    return InvocationResult(payload, "\n".join(function_lines))


def _find_emulator() -> Path:
    machine = platform.machine()
    if platform.system() != "Linux" or machine not in _EMULATORS:
        raise RuntimeUnavailableError(
            f"the Lambda emulator does not run on {platform.system()} {machine}: use"
            " `sam local invoke`, which needs Docker"
        )
    samcli = find_spec("samcli")
    if samcli is None or samcli.origin is None:
        raise RuntimeUnavailableError(
            "aws-sam-cli, which contains the Lambda emulator, is not installed: install the"
            " packages in requirements/cloud.txt"
        )
    return Path(samcli.origin).parent / "local" / "rapid" / _EMULATORS[machine]


@contextmanager
def _run_process(command: list[str], function: Function, log: Path) -> Iterator[None]:
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
        # As `sam local` sets it. It disables tracing, because there is no X-Ray here.
        "AWS_SAM_LOCAL": "true",
        "AWS_LAMBDA_FUNCTION_NAME": function.name,
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_mb),
        "AWS_LAMBDA_FUNCTION_TIMEOUT": str(function.timeout_seconds),
        "LAMBDA_TASK_ROOT": str(function.package),
        "PYTHONPATH": str(function.package),
        **function.environment,
    }
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-I", supervisor.__file__, *command],
            cwd=function.package,
            env=environment,
            stdin=subprocess.PIPE,  # closes when this process ends: the supervisor watches it
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # one process group for the emulator and the function
        )
        try:
            yield
        finally:
            supervisor.terminate_group(process.pid)
            process.communicate()


def _find_free_ports(count: int) -> list[int]:
    """Return different ports of this machine that no process listens on."""
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [listener.getsockname()[1] for listener in listeners]
    for listener in listeners:
        listener.close()
    return ports


def _send_event(address: str, event: str, timeout: float) -> str:
    _wait_for_port(address)
    request = urllib.request.Request(
        f"http://{address}/2015-03-31/functions/function/invocations", data=event.encode()
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=timeout) as response:
        payload = str(response.read(), "utf-8")
    try:
        json.loads(payload)
    except ValueError:  # on a timeout, the emulator responds with plain text instead of an error
        return json.dumps({"errorType": "Sandbox.Timedout", "errorMessage": payload})
    return payload


@retry(
    retry=retry_if_result(lambda text: _LAST_LOG_LINE not in text),
    wait=wait_fixed(0.02),
    stop=stop_after_delay(_LOG_TIMEOUT),
    retry_error_callback=lambda state: state.outcome.result() if state.outcome else "",
)
def _read_complete_log(log: Path) -> str:
    """Return the log with its last line, which is written a little after the response."""
    return log.read_text("utf-8", errors="replace")


@retry(
    retry=retry_if_exception_type(ConnectionRefusedError),
    wait=wait_fixed(0.05),
    stop=stop_after_delay(_START_TIMEOUT),
    reraise=True,
)
def _wait_for_port(address: str) -> None:
    host, _, port = address.partition(":")
    socket.create_connection((host, int(port)), timeout=1).close()
