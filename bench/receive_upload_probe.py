"""Measure one process of `receive_upload`, and print the results as JSON in the last line.

The process has no connection to AWS: it answers each request itself, at once. Times are seconds of
processor time, so they are those of the function and of boto3.
"""

from __future__ import annotations

import io
import json
import os
import time
from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from typing import Any

WARM_INVOCATIONS = 20
BATCH = "raw/2026-11/"
FILE_BYTES = 64 * 1024 * 1024
HEADER = b"rental_id,user_id,vehicle_id,rental_start_time,rental_end_time,pickup_location,"
HEADER += b"dropoff_location,total_amount\n"
ROW = b"b139d8e1b2,320be8068b,0d52304987,2024-02-28 08:05:00,2024-03-01 05:05:00,1497,6785,450.0\n"
FILES = {
    "users": "users.csv",
    "vehicles": "vehicles.csv",
    "locations": "locations.csv",
    "rentals": "rental_transactions.csv",
}
SETTINGS = {
    "BUCKET": "bucket",
    "LEDGER_TABLE": "ledger",
    "LEDGER_RETENTION_DAYS": "90",
    "TOPIC_ARN": "arn:aws:sns:eu-west-1:123456789012:reports",
    "STATE_MACHINE_ARN": "arn:aws:states:eu-west-1:123456789012:stateMachine:pipeline",
    "STACK": "stack",
    "MAX_CONCURRENT_RUNS": "4",
    "MAX_UPLOAD_SPREAD_HOURS": "24",
    "START_FUNCTION": "watchdog",
}
EVENT = {
    "time": "2026-11-25T12:00:00Z",
    "detail-type": "Object Created",
    "detail": {
        "object": {
            "key": f"{BATCH}{FILES['rentals']}",
            "size": FILE_BYTES,
            "version-id": "version-rentals",
            "sequencer": "00617F08299329D189",
        }
    },
}


class Context:
    """The context of an invocation."""

    function_name = "receive_upload"
    function_version = "1"
    memory_limit_in_mb = 512
    invoked_function_arn = "arn:aws:lambda:eu-west-1:123456789012:function:receive_upload"
    aws_request_id = "request"

    def get_remaining_time_in_millis(self) -> int:
        """Return the remaining time in milliseconds."""
        return 120_000


class Body:
    """The body of a response. Counts the bytes that are read."""

    def __init__(self, content: bytes) -> None:
        self._content = io.BytesIO(content)
        self.bytes_read = 0

    def read(self, amount: int | None = None) -> bytes:
        """Return the next bytes."""
        data = self._content.read(amount)
        self.bytes_read += len(data)
        return data

    def stream(self) -> Iterator[bytes]:
        """Yield the remaining bytes."""
        yield self.read()

    def close(self) -> None:
        """Do nothing. The connection that a real body would close does not exist."""


class InstantAws:
    """Answers the requests of boto3: a batch that is complete, and a run that waits to start."""

    def __init__(self) -> None:
        self.bodies: list[Body] = []
        self._rentals = HEADER + ROW * (FILE_BYTES // len(ROW))
        serialize = import_module("boto3.dynamodb.types").TypeSerializer().serialize
        files = [
            {
                "dataset": name,
                "key": f"{BATCH}{file}",
                "version_id": f"version-{name}",
                "size": 1,
                "warnings": [],
            }
            for name, file in FILES.items()
        ]
        times = {"order": "00617F", "uploaded_at": "2026-11-25T12:00:00Z"}
        item = {file["dataset"]: file | times for file in files}
        run = {"claimed_at": "2026-11-25T12:00:00Z", "files": files}
        self._batch = serialize(item | {"claimed_runs": {"run": run}})["M"]
        self._response = import_module("botocore.awsrequest").AWSResponse
        self._headers = import_module("botocore.awsrequest").HeadersDict

    def __call__(self, request: Any, **_: Any) -> Any:
        """Answer a request. boto3 then sends nothing (event `before-send`)."""
        target = request.headers.get("X-Amz-Target", b"").decode()
        if not target:
            return self._answer_s3(request)
        content: dict[str, Any] = {}
        if target.endswith(".GetItem") and BATCH.encode() in request.body:
            content = {"Item": self._batch}
        elif target.endswith(".Query"):
            content = {"Items": [], "Count": 0}
        elif target.endswith(".StartExecution"):
            content = {"executionArn": "arn", "startDate": 0}
        return self._create_response(request, 200, {}, json.dumps(content).encode())

    def _answer_s3(self, request: Any) -> Any:
        name = next(
            name for name, file in FILES.items() if request.url.split("?")[0].endswith(file)
        )
        headers = {
            "x-amz-version-id": f"version-{name}",
            "last-modified": "Wed, 25 Nov 2026 12:00:00 GMT",
        }
        content = b"" if request.method == "HEAD" else self._rentals
        if "Range" in request.headers:
            last = int(request.headers["Range"].decode().rpartition("-")[2])
            headers["content-range"] = f"bytes 0-{last}/{len(content)}"
            content = content[: last + 1]
        return self._create_response(request, 200, headers, content)

    def _create_response(
        self, request: Any, status: int, headers: dict[str, str], content: bytes
    ) -> Any:
        body = Body(content)
        if request.method == "GET":
            self.bodies.append(body)
        length = {"content-length": str(len(content))}
        return self._response(request.url, status, self._headers(headers | length), body)


def measure(action: Callable[[], object]) -> float:
    """Return the seconds of processor time that an action takes."""
    start = time.process_time()
    action()
    return time.process_time() - start


def measure_calls() -> list[float]:
    """Return a list to which each call of a client adds its seconds of processor time."""
    client_class = import_module("botocore.client").BaseClient
    perform = client_class._make_api_call  # Every call of boto3 goes through it
    seconds: list[float] = []

    def call(*arguments: Any) -> Any:
        start = time.process_time()
        try:
            return perform(*arguments)
        finally:
            seconds.append(time.process_time() - start)

    client_class._make_api_call = call
    return seconds


def main() -> None:
    """Measure the process."""
    os.environ |= SETTINGS
    function: Any = None

    def load() -> None:
        nonlocal function
        function = import_module("handlers.receive_upload")

    result = {"import": measure(load)}
    clients = [
        partial(getattr, function.aws, name) for name in ("dynamodb", "s3", "sns", "stepfunctions")
    ]
    result["clients"] = measure(lambda: [create() for create in clients])
    answer = InstantAws()
    for create in clients:
        create().meta.events.register("before-send", answer)
    calls = measure_calls()

    def invoke() -> None:
        receipt = function.handler(EVENT, Context())
        if receipt["outcome"] != "Recorded" or len(receipt["runs"]) != 1:
            raise AssertionError(receipt)

    result["first"] = measure(invoke)
    calls.clear()
    warm = [measure(invoke) for _ in range(WARM_INVOCATIONS)]
    result["warm"] = sum(warm) / WARM_INVOCATIONS
    result["own"] = (sum(warm) - sum(calls)) / WARM_INVOCATIONS
    result["bytes_read"] = max(body.bytes_read for body in answer.bodies)
    result["file_bytes"] = FILE_BYTES
    print(json.dumps(result))


if __name__ == "__main__":
    main()
