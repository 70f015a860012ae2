"""Tests that `receive_upload` transfers no more than the first MiB of any file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import boto3
import pytest
from botocore.client import BaseClient

from contract.file_check import HEAD_BYTES
from handlers.receive_upload import handler
from pipeline.intake.current_versions import get_current_versions
from tests.functional.conftest import Cloud, Context
from tests.support.aws_calls import Perform, create_error, intercept_calls
from tests.support.broken_files import VALID_FILES
from tests.support.events import upload_event

KEY = "raw/x/users.csv"
HEAD_RANGE = f"bytes=0-{HEAD_BYTES - 1}"
LONG_FILE = VALID_FILES["users.csv"] + b"x" * (3 * HEAD_BYTES)


@dataclass
class Body:
    """The body of a response. Records what is read of it, and whether it is closed."""

    content: bytes
    bytes_read: int = 0
    is_closed: bool = False

    def read(self, amount: int | None = None) -> bytes:
        end = len(self.content) if amount is None else self.bytes_read + amount
        data = self.content[self.bytes_read : end]
        self.bytes_read += len(data)
        return data

    def close(self) -> None:
        self.is_closed = True


@dataclass
class Reads:
    """The GetObject requests: their ranges, and the bodies of the responses."""

    ranges: list[str | None] = field(default_factory=list)
    bodies: list[Body] = field(default_factory=list)


def _record_reads(monkeypatch: pytest.MonkeyPatch, *, supports_ranges: bool = True) -> Reads:
    reads = Reads()

    def call(
        perform: Perform, client: BaseClient, operation: str, arguments: dict[str, Any]
    ) -> Any:
        if operation != "GetObject":
            return perform(client, operation, arguments)
        reads.ranges.append(arguments.get("Range"))
        if not supports_ranges:
            arguments = {name: arguments[name] for name in arguments if name != "Range"}
        response = perform(client, operation, arguments)
        response["Body"] = Body(response["Body"].read())
        reads.bodies.append(response["Body"])
        return response

    intercept_calls(monkeypatch, call)
    return reads


def _receive(cloud: Cloud, content: bytes) -> str:
    version = cloud.put(KEY, content)
    receipt = handler(upload_event(KEY, "01", version, len(content)), Context())
    outcome: str = receipt["outcome"]
    return outcome


def test_only_the_first_mebibyte_is_requested(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = _record_reads(monkeypatch)
    assert _receive(cloud, LONG_FILE) == "Recorded"
    assert reads.ranges == [HEAD_RANGE]
    (body,) = reads.bodies
    assert (len(body.content), body.bytes_read, body.is_closed) == (HEAD_BYTES, HEAD_BYTES, True)


def test_reading_stops_if_s3_ignores_the_range(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = _record_reads(monkeypatch, supports_ranges=False)
    assert _receive(cloud, LONG_FILE) == "Recorded"
    (body,) = reads.bodies
    assert (len(body.content), body.bytes_read) == (len(LONG_FILE), HEAD_BYTES)
    assert body.is_closed


def test_empty_file_that_is_replaced_by_a_long_one(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An empty object has no valid range, so it is requested again without one."""
    cloud.put(KEY, b"")
    reads = _record_reads(monkeypatch)
    invalid_range = create_error("GetObject", "InvalidRange", 416)
    first_requests: Iterator[bool] = iter([True])

    def replace_file(
        perform: Perform, client: BaseClient, operation: str, arguments: dict[str, Any]
    ) -> Any:
        if operation == "GetObject" and next(first_requests, False):
            cloud.put(KEY, LONG_FILE)
            raise invalid_range
        return perform(client, operation, arguments)

    intercept_calls(monkeypatch, replace_file)
    assert handler(upload_event(KEY, "01"), Context())["outcome"] == "Recorded"
    (body,) = reads.bodies
    assert (len(body.content), body.bytes_read) == (len(LONG_FILE), HEAD_BYTES)
    assert body.is_closed


@pytest.mark.parametrize("content", [LONG_FILE, b""], ids=["long", "empty"])
def test_nothing_is_read_to_learn_the_version(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    version = cloud.put(KEY, content)
    reads = _record_reads(monkeypatch)

    def refuse_head(
        perform: Perform, client: BaseClient, operation: str, arguments: dict[str, Any]
    ) -> Any:
        if operation == "HeadObject" and arguments["Key"] == KEY:
            raise create_error(operation, "400")
        return perform(client, operation, arguments)

    intercept_calls(monkeypatch, refuse_head)
    versions = get_current_versions(boto3.client("s3"), cloud.bucket, "raw/x/").versions
    assert versions["users"] == version
    assert reads.ranges[0] == HEAD_RANGE
    (body,) = reads.bodies
    assert (body.bytes_read, body.is_closed) == (0, True)
    assert len(body.content) <= HEAD_BYTES
