"""Tests of `pin_inputs`: it copies exactly the file versions of a run, or names the missing one."""

from __future__ import annotations

import io
import json
import logging
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from contract.datasets import DATASETS, RENTALS
from contract.layout import pinned_key
from handlers.events import PinInputsEvent
from handlers.pin_inputs import handler, logger
from pipeline.aws.clients import AwsClients
from pipeline.errors import InputMissingError, InvalidEventError, RetryableError, SettingsError
from pipeline.intake.pinning import CopySizes, InputPinner
from tests.functional.conftest import Cloud, Context
from tests.support.aws_calls import create_error, serialize_calls, watch_calls
from tests.support.events import load_event

MIB = 1024 * 1024
SMALL_PARTS = CopySizes(threshold=6 * MIB, part=5 * MIB)
SMALL_CONTENTS = {dataset.name: dataset.name.encode() for dataset in DATASETS}
COPIES = {"CopyObject", "UploadPartCopy"}

Event = dict[str, Any]
Calls = list[tuple[str, dict[str, Any]]]


@pytest.fixture(autouse=True)
def _atomic_calls(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ARG001
    serialize_calls(monkeypatch)


@pytest.fixture
def event(cloud: Cloud) -> Event:
    """An event with existing file versions, each followed by a newer version."""
    return _upload_files(cloud, SMALL_CONTENTS)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    """The AWS calls so far, with their arguments."""
    calls: Calls = []
    watch_calls(monkeypatch, lambda operation, arguments, _: calls.append((operation, arguments)))
    return calls


def _upload_files(cloud: Cloud, contents: dict[str, bytes]) -> Event:
    """Upload files by dataset name, then a newer version of each, and return the event."""
    event = load_event("pin_inputs")
    for file in event["files"]:
        content = contents[file["dataset"]]
        file |= {"version_id": cloud.put(file["key"], content), "size": len(content)}
        cloud.put(file["key"], b"a newer version")
    return event


def _handle(event: Event) -> Any:
    return handler(event, Context())


def _pin_in_parts(cloud: Cloud, event: Event) -> int:
    """Pin the files as the handler does, with small parts."""
    run = PinInputsEvent.from_event(event)
    pinner = InputPinner(AwsClients().s3, cloud.bucket, run.run_id, SMALL_PARTS)
    return pinner.pin(run.files)


def _get_file(event: Event, dataset: str) -> dict[str, Any]:
    file: dict[str, Any] = next(file for file in event["files"] if file["dataset"] == dataset)
    return file


def _get_pinned(cloud: Cloud, event: Event) -> dict[str, Any]:
    return {
        dataset.name: boto3.client("s3").get_object(
            Bucket=cloud.bucket, Key=pinned_key(dataset, event["run_id"])
        )
        for dataset in DATASETS
    }


def _read_pinned(cloud: Cloud, event: Event) -> dict[str, bytes]:
    pinned = _get_pinned(cloud, event)
    return {name: response["Body"].read() for name, response in pinned.items()}


def _list_pinned_keys(cloud: Cloud, event: Event) -> list[str]:
    response = boto3.client("s3").list_objects_v2(
        Bucket=cloud.bucket, Prefix=f"batches/run_id={event['run_id']}/"
    )
    return [entry["Key"] for entry in response.get("Contents", [])]


def test_versions_of_event_are_copied_instead_of_newest(cloud: Cloud, event: Event) -> None:
    assert _handle(event) == {"bytes": len("usersvehicleslocationsrentals")}
    assert _read_pinned(cloud, event) == SMALL_CONTENTS
    for name, pinned in _get_pinned(cloud, event).items():
        assert pinned["Metadata"] == {"source-version": _get_file(event, name)["version_id"]}
        assert pinned["ContentType"] == "text/csv"
    assert _list_pinned_keys(cloud, event) == sorted(
        pinned_key(dataset, event["run_id"]) for dataset in DATASETS
    )


def test_keys_with_space_plus_and_unicode(cloud: Cloud, event: Event) -> None:
    file = _get_file(event, "users")
    file["key"] = "raw/März + April/users.csv"
    file["version_id"] = cloud.put(file["key"], b"users")
    _handle(event)
    assert _read_pinned(cloud, event) == SMALL_CONTENTS


def test_large_file_is_copied_in_parts_of_its_version(
    cloud: Cloud, event: Event, calls: Calls
) -> None:
    large = random.Random(0).randbytes(12 * MIB + 7)
    event = _upload_files(cloud, {**SMALL_CONTENTS, "rentals": large})
    calls.clear()
    assert _pin_in_parts(cloud, event) == sum(file["size"] for file in event["files"])
    assert _read_pinned(cloud, event)["rentals"] == large
    source = _get_file(event, "rentals")
    parts = {
        arguments["CopySourceRange"]: arguments
        for operation, arguments in calls
        if operation == "UploadPartCopy"
    }
    assert sorted(parts) == [
        "bytes=0-5242879",
        "bytes=10485760-12582918",
        "bytes=5242880-10485759",
    ]
    etag = boto3.client("s3").head_object(
        Bucket=cloud.bucket, Key=source["key"], VersionId=source["version_id"]
    )["ETag"]
    for arguments in parts.values():
        assert arguments["CopySource"] == (
            f"{cloud.bucket}/{source['key']}?versionId={source['version_id']}"
        )
        assert arguments["CopySourceIfMatch"] == etag
    pinned = _get_pinned(cloud, event)["rentals"]
    assert pinned["Metadata"] == {"source-version": source["version_id"]}
    assert pinned["ContentType"] == "text/csv"
    calls.clear()
    _pin_in_parts(cloud, event)
    assert {operation for operation, _ in calls} == {"HeadObject"}


def test_only_versions_of_event_are_read_and_copied(
    cloud: Cloud, event: Event, calls: Calls
) -> None:
    contents = {dataset.name: random.Random(1).randbytes(7 * MIB) for dataset in DATASETS}
    event = _upload_files(cloud, contents)
    calls.clear()
    _pin_in_parts(cloud, event)
    versions = {file["version_id"] for file in event["files"]}
    read = {call["VersionId"] for _, call in calls if call["Key"].startswith("raw/")}
    copied = {
        call["CopySource"].partition("?versionId=")[2]
        for operation, call in calls
        if operation in COPIES
    }
    assert read == copied == versions


def test_metadata_and_tags_of_uploads_are_not_copied(
    cloud: Cloud, event: Event, calls: Calls
) -> None:
    source = _get_file(event, "users")
    response = boto3.client("s3").put_object(
        Bucket=cloud.bucket,
        Key=source["key"],
        Body=b"users",
        Metadata={"secret": "value"},
        Tagging="owner=uploader",
    )
    source["version_id"] = response["VersionId"]
    calls.clear()
    _handle(event)
    assert not any("Tagging" in operation for operation, _ in calls)
    tags = boto3.client("s3").get_object_tagging(
        Bucket=cloud.bucket, Key=pinned_key(DATASETS[0], event["run_id"])
    )
    assert tags["TagSet"] == []
    assert _get_pinned(cloud, event)["users"]["Metadata"] == {
        "source-version": source["version_id"]
    }


def test_repeated_call_copies_nothing_even_if_sources_are_deleted(
    cloud: Cloud, event: Event, calls: Calls
) -> None:
    _handle(event)
    for file in event["files"]:
        boto3.client("s3").delete_object(
            Bucket=cloud.bucket, Key=file["key"], VersionId=file["version_id"]
        )
    calls.clear()
    assert _handle(event) == {"bytes": len("usersvehicleslocationsrentals")}
    assert [operation for operation, _ in calls] == ["HeadObject"] * 4


def test_pinned_objects_of_other_origin_are_replaced(cloud: Cloud, event: Event) -> None:
    cloud.put(pinned_key(RENTALS, event["run_id"]), b"rentals")  # without source version
    boto3.client("s3").put_object(  # truncated
        Bucket=cloud.bucket,
        Key=pinned_key(DATASETS[0], event["run_id"]),
        Body=b"use",
        Metadata={"source-version": _get_file(event, "users")["version_id"]},
    )
    _handle(event)
    assert _read_pinned(cloud, event) == SMALL_CONTENTS
    assert "source-version" in _get_pinned(cloud, event)["rentals"]["Metadata"]


def test_failed_attempt_is_completed_by_retry(
    cloud: Cloud, event: Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In each attempt, the response to another AWS call is lost after the call took effect."""
    for number in range(1, 13):
        event["run_id"] = f"run-{number}"
        operations: list[str] = []

        def time_out(
            operation: str, *_: Any, operations: list[str] = operations, number: int = number
        ) -> None:
            operations.append(operation)
            if len(operations) == number:
                raise ReadTimeoutError(endpoint_url="s3")

        with monkeypatch.context() as patch:
            watch_calls(patch, time_out)
            with pytest.raises(RetryableError, match="Read timeout"):
                _handle(event)
        assert _handle(event) == {"bytes": len("usersvehicleslocationsrentals")}
        assert _read_pinned(cloud, event) == SMALL_CONTENTS


def test_interrupted_multipart_upload_is_completed_by_retry(cloud: Cloud) -> None:
    large = random.Random(2).randbytes(11 * MIB)
    event = _upload_files(cloud, {**SMALL_CONTENTS, "rentals": large})
    target = boto3.resource("s3").Object(cloud.bucket, pinned_key(RENTALS, event["run_id"]))
    target.initiate_multipart_upload().Part(1).upload(Body=b"x" * 5 * MIB)
    _pin_in_parts(cloud, event)
    assert _read_pinned(cloud, event)["rentals"] == large


def test_concurrent_calls_have_same_result(cloud: Cloud, event: Event) -> None:
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(_handle, [event, event]))
    assert results == [{"bytes": len("usersvehicleslocationsrentals")}] * 2
    assert _read_pinned(cloud, event) == SMALL_CONTENTS


def _delete_version(cloud: Cloud, file: dict[str, Any]) -> None:
    boto3.client("s3").delete_object(
        Bucket=cloud.bucket, Key=file["key"], VersionId=file["version_id"]
    )


def _delete_all_versions(cloud: Cloud, file: dict[str, Any]) -> None:
    boto3.resource("s3").Bucket(cloud.bucket).object_versions.filter(Prefix=file["key"]).delete()


@pytest.mark.parametrize("delete", [_delete_version, _delete_all_versions])
def test_missing_version_is_named_and_nothing_is_copied(
    cloud: Cloud, event: Event, delete: Callable[[Cloud, dict[str, Any]], None]
) -> None:
    file = _get_file(event, "vehicles")
    delete(cloud, file)
    with pytest.raises(InputMissingError) as raised:
        _handle(event)
    assert str(raised.value) == (
        f"raw/2026-11/vehicles.csv version {file['version_id']} is missing"
        " because it was deleted or has expired"
    )
    assert _list_pinned_keys(cloud, event) == []


@pytest.mark.parametrize("size", [5 * MIB, 12 * MIB])
def test_version_deleted_during_copy_is_reported(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    event = _upload_files(cloud, {**SMALL_CONTENTS, "rentals": b"x" * size})
    file = _get_file(event, "rentals")
    with monkeypatch.context() as patch:

        def delete(operation: str, arguments: dict[str, Any], _: Any) -> None:
            if operation == "HeadObject" and arguments["Key"] == file["key"]:
                patch.undo()
                _delete_version(cloud, file)

        watch_calls(patch, delete)
        with pytest.raises(InputMissingError, match="is missing"):
            _pin_in_parts(cloud, event)
    uploads = boto3.client("s3").list_multipart_uploads(Bucket=cloud.bucket)
    assert "Uploads" not in uploads


@pytest.mark.parametrize(
    ("code", "status", "error", "message"),
    [
        ("PreconditionFailed", 412, InputMissingError, "was replaced during the copy"),
        ("InternalError", 500, ClientError, "InternalError"),
        ("AccessDenied", 403, ClientError, "AccessDenied"),
    ],
)
@pytest.mark.parametrize("operation", sorted(COPIES))
def test_errors_of_s3_are_translated(
    cloud: Cloud,
    monkeypatch: pytest.MonkeyPatch,
    operation: str,
    code: str,
    status: int,
    error: type[Exception],
    message: str,
) -> None:
    """moto ignores the condition on the ETag, so the test raises the error itself."""
    size = 12 * MIB if operation == "UploadPartCopy" else 5
    event = _upload_files(cloud, {**SMALL_CONTENTS, "rentals": b"x" * size})

    def fail_copy(called: str, arguments: dict[str, Any], _: Any) -> None:
        if called == operation and "rental" in arguments["Key"]:
            assert arguments["CopySourceIfMatch"]
            raise create_error(called, code, status)

    with monkeypatch.context() as patch:
        watch_calls(patch, fail_copy)
        with pytest.raises(error, match=message):
            _pin_in_parts(cloud, event)


def test_version_with_another_size_than_the_checked_file_is_rejected(
    cloud: Cloud, event: Event
) -> None:
    file = _get_file(event, "rentals")
    file["size"] = 99
    with pytest.raises(
        InputMissingError, match="has 7 bytes, but the file that was checked had 99"
    ):
        _handle(event)
    assert _list_pinned_keys(cloud, event) == []


def test_invalid_run_id_copies_nothing(cloud: Cloud, event: Event) -> None:
    with pytest.raises(InvalidEventError, match="'run_id' must be a valid run ID"):
        _handle({**event, "run_id": "../x"})
    assert _list_pinned_keys(cloud, event) == []


def test_duplicate_dataset_copies_nothing(cloud: Cloud, event: Event) -> None:
    event["files"].append(event["files"][0])
    with pytest.raises(InvalidEventError, match="the field 'files' must contain one file for each"):
        _handle(event)
    assert _list_pinned_keys(cloud, event) == []


def test_error_names_missing_setting(event: Event, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BUCKET")
    with pytest.raises(SettingsError, match="PinInputsSettings: BUCKET is not set"):
        _handle(event)


def test_client_has_a_connection_for_each_concurrent_part(cloud: Cloud) -> None:  # noqa: ARG001
    config: Any = AwsClients().s3.meta.config
    assert config.max_pool_connections >= len(DATASETS) * CopySizes().parts_at_once


@pytest.mark.parametrize("size", [5, 5 * 1024**3, 640 * 10**9, 640 * 1024**3, 5 * 1024**4])
def test_parts_stay_within_limits_of_s3(size: int) -> None:
    config = CopySizes().transfer_config(size)
    assert -(-size // config.multipart_chunksize) <= 10_000
    assert 64 * MIB <= config.multipart_chunksize <= 5 * 1024**3
    assert config.multipart_threshold <= 5 * 10**9  # S3 copies at most 5 GB in one request


def test_log_lines_contain_run_and_batch(event: Event) -> None:
    log = io.StringIO()
    (log_handler,) = [each for each in logger.handlers if isinstance(each, logging.StreamHandler)]
    original_stream = log_handler.setStream(log)
    try:
        _handle(event)
    finally:
        log_handler.setStream(original_stream)
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    assert [line["message"] for line in lines] == ["Pinned 29 bytes"]
    assert {(line["run_id"], line["batch"]) for line in lines} == {
        (event["run_id"], event["batch"])
    }
