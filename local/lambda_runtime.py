"""A built function on the real Lambda runtime interface, without Docker.

The emulator binary that sam-cli ships plays the service, `awslambdaric` is the client that every
Python function on AWS runs in. The function finds its own package, what the runtime brings, and
nothing else that happens to be installed here: what its package lacks is noticed.
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
from importlib.metadata import distribution
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
from local.cloud import LOCAL

_BINARIES = {
    "x86_64": "aws-lambda-rie-x86_64",
    "aarch64": "aws-lambda-rie-arm64",
}
# What Lambda's Python brings, below its own client: boto3 and what that needs.
_OF_THE_RUNTIME = (
    "awslambdaric",
    "simplejson",
    "snapshot-restore-py",
    "boto3",
    "botocore",
    "s3transfer",
    "jmespath",
    "python-dateutil",
    "six",
    "urllib3",
)
_START_LIMIT = 20.0  # seconds
_LOG_LIMIT = 5.0  # seconds
_LAST_LINE = "REPORT RequestId"
_ANSWER_MARGIN = 30.0  # seconds over the function's own time
_EMULATORS_OWN = re.compile(r"\(rapid\)")


class RuntimeUnavailableError(Exception):
    """This machine cannot run Lambda's emulator."""


@dataclass(frozen=True)
class Function:
    """A function as it was built and is to be run; `package` is the folder of its code."""

    name: str
    handler: str
    package: Path
    memory_mb: int
    timeout_seconds: int
    environment: Mapping[str, str]


@dataclass(frozen=True)
class Outcome:
    """What an invocation answered, as JSON, and what the function logged."""

    payload: str
    log: str

    @property
    def is_error(self) -> bool:
        """Whether the function failed: then the answer has the error's type."""
        answer = json.loads(self.payload)
        return isinstance(answer, dict) and {"errorType", "errorMessage"} <= answer.keys()


def invoke(function: Function, event: str) -> Outcome:
    """Run a function once on an event, given as JSON. RuntimeUnavailableError."""
    emulator = _emulator()
    LOCAL.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="invoke-", dir=LOCAL) as folder:
        runtime = Path(folder) / "runtime"
        _link_runtime(runtime)
        log = Path(folder) / "log"
        address, of_runtime = (f"127.0.0.1:{port}" for port in _free_ports(2))
        command = [str(emulator), "--runtime-interface-emulator-address", address]
        command += ["--runtime-api-address", of_runtime]
        # -S: without what is installed here.
        command += [sys.executable, "-S", "-m", "awslambdaric", function.handler]
        with _process(command, function, runtime, log):
            payload = _ask(address, event, function.timeout_seconds + _ANSWER_MARGIN)
            lines = _whole_log(log).splitlines()
    kept = (line for line in lines if not _EMULATORS_OWN.search(line))
    return Outcome(payload, "\n".join(kept))


def _emulator() -> Path:
    machine = platform.machine()
    if platform.system() != "Linux" or machine not in _BINARIES:
        raise RuntimeUnavailableError(
            "Lambda's emulator is a Linux program, which this machine cannot run;"
            " with Docker, `sam local invoke` does the same"
        )
    found = find_spec("samcli")
    if found is None or found.origin is None:
        raise RuntimeUnavailableError("aws-sam-cli, which brings Lambda's emulator, is missing")
    return Path(found.origin).parent / "local" / "rapid" / _BINARIES[machine]


def _link_runtime(folder: Path) -> None:
    """Fill a folder with links to the packages that Lambda's own Python has."""
    folder.mkdir()
    for name in _OF_THE_RUNTIME:
        package = distribution(name)
        tops = {file.parts[0] for file in package.files or ()}
        for top in tops - {"..", "__pycache__"}:
            (folder / top).symlink_to(Path(str(package.locate_file(top))))


@contextmanager
def _process(command: list[str], function: Function, runtime: Path, log: Path) -> Iterator[None]:
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
        "AWS_SAM_LOCAL": "true",  # as `sam local` says it: there is no X-Ray to send traces to
        "AWS_LAMBDA_FUNCTION_NAME": function.name,
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_mb),
        "AWS_LAMBDA_FUNCTION_TIMEOUT": str(function.timeout_seconds),
        "LAMBDA_TASK_ROOT": str(function.package),
        "PYTHONPATH": os.pathsep.join([str(function.package), str(runtime)]),
        **function.environment,
    }
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-I", supervisor.__file__, *command],
            cwd=function.package,
            env=environment,
            stdin=subprocess.PIPE,  # so that the keeper knows when we are gone
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # the emulator and the function end together
        )
        try:
            yield
        finally:
            supervisor.terminate_group(process.pid)
            process.communicate()


def _free_ports(count: int) -> list[int]:
    """So many different ports of this machine that nobody listens on."""
    taken = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [listener.getsockname()[1] for listener in taken]
    for listener in taken:
        listener.close()
    return ports


def _ask(address: str, event: str, limit: float) -> str:
    _wait_for(address)
    request = urllib.request.Request(
        f"http://{address}/2015-03-31/functions/function/invocations", data=event.encode()
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=limit) as answer:
        payload = str(answer.read(), "utf-8")
    try:
        json.loads(payload)
    except ValueError:  # the emulator's own words, where Lambda gives an error
        return json.dumps({"errorType": "Sandbox.Timedout", "errorMessage": payload})
    return payload


@retry(
    retry=retry_if_result(lambda text: _LAST_LINE not in text),
    wait=wait_fixed(0.02),
    stop=stop_after_delay(_LOG_LIMIT),
    retry_error_callback=lambda state: state.outcome.result() if state.outcome else "",
)
def _whole_log(log: Path) -> str:
    """What was logged; the answer comes a little before the last line."""
    return log.read_text("utf-8", errors="replace")


@retry(
    retry=retry_if_exception_type(ConnectionRefusedError),
    wait=wait_fixed(0.05),
    stop=stop_after_delay(_START_LIMIT),
    reraise=True,
)
def _wait_for(address: str) -> None:
    host, _, port = address.partition(":")
    socket.create_connection((host, int(port)), timeout=1).close()
