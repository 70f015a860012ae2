"""A run's input is pinned: these versions and no others, once, or an error that says why not."""

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
COPIES = {"CopyObject", "UploadPartCopy"}

Event = dict[str, Any]
Calls = list[tuple[str, dict[str, Any]]]


@pytest.fixture(autouse=True)
def _whole_calls(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ARG001
    serialize_calls(monkeypatch)


@pytest.fixture
def event(cloud: Cloud) -> Event:
    """The event with files that exist, each overtaken by a newer version."""
    return _dropped(cloud, {dataset.name: dataset.name.encode() for dataset in DATASETS})


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    """Every AWS call made so far, with its arguments."""
    made: Calls = []
    watch_calls(monkeypatch, lambda operation, arguments, _: made.append((operation, arguments)))
    return made


def _dropped(cloud: Cloud, contents: dict[str, bytes]) -> Event:
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


def _file(event: Event, dataset: str) -> dict[str, Any]:
    found: dict[str, Any] = next(file for file in event["files"] if file["dataset"] == dataset)
    return found


def _objects(cloud: Cloud, event: Event) -> dict[str, Any]:
    return {
        dataset.name: boto3.client("s3").get_object(
            Bucket=cloud.bucket, Key=pinned_key(dataset, event["run_id"])
        )
        for dataset in DATASETS
    }


def _contents(cloud: Cloud, event: Event) -> dict[str, bytes]:
    return {name: found["Body"].read() for name, found in _objects(cloud, event).items()}


def _as_dropped() -> dict[str, bytes]:
    return {dataset.name: dataset.name.encode() for dataset in DATASETS}


def _pinned_keys(cloud: Cloud, event: Event) -> list[str]:
    listed = boto3.client("s3").list_objects_v2(
        Bucket=cloud.bucket, Prefix=f"batches/run_id={event['run_id']}/"
    )
    return [found["Key"] for found in listed.get("Contents", [])]


def test_the_named_versions_are_copied_not_the_newest(cloud: Cloud, event: Event) -> None:
    assert _handle(event) == {"bytes": len("usersvehicleslocationsrentals")}
    assert _contents(cloud, event) == _as_dropped()
    for name, found in _objects(cloud, event).items():
        assert found["Metadata"] == {"source-version": _file(event, name)["version_id"]}
        assert found["ContentType"] == "text/csv"
    assert _pinned_keys(cloud, event) == sorted(
        pinned_key(dataset, event["run_id"]) for dataset in DATASETS
    )


def test_keys_with_space_plus_and_unicode(cloud: Cloud, event: Event) -> None:
    file = _file(event, "users")
    file["key"] = "raw/März + April/users.csv"
    file["version_id"] = cloud.put(file["key"], b"users")
    _handle(event)
    assert _contents(cloud, event) == _as_dropped()


def test_a_large_file_is_copied_in_parts_of_the_named_version(
    cloud: Cloud, event: Event, calls: Calls
) -> None:
    large = random.Random(0).randbytes(12 * MIB + 7)
    event = _dropped(cloud, {**_as_dropped(), "rentals": large})
    calls.clear()
    assert _pin_in_parts(cloud, event) == sum(file["size"] for file in event["files"])
    assert _contents(cloud, event)["rentals"] == large
    source = _file(event, "rentals")
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
    found = _objects(cloud, event)["rentals"]
    assert found["Metadata"] == {"source-version": source["version_id"]}
    assert found["ContentType"] == "text/csv"
    calls.clear()
    _pin_in_parts(cloud, event)
    assert {operation for operation, _ in calls} == {"HeadObject"}


def test_no_call_reads_or_copies_another_version(cloud: Cloud, event: Event, calls: Calls) -> None:
    content = {dataset.name: random.Random(1).randbytes(7 * MIB) for dataset in DATASETS}
    event = _dropped(cloud, content)
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


def test_nothing_but_the_bytes_is_taken_over(cloud: Cloud, event: Event, calls: Calls) -> None:
    source = _file(event, "users")
    answer = boto3.client("s3").put_object(
        Bucket=cloud.bucket,
        Key=source["key"],
        Body=b"users",
        Metadata={"secret": "theirs"},
        Tagging="owner=them",
    )
    source["version_id"] = answer["VersionId"]
    calls.clear()
    _handle(event)
    assert not any("Tagging" in operation for operation, _ in calls)
    tags = boto3.client("s3").get_object_tagging(
        Bucket=cloud.bucket, Key=pinned_key(DATASETS[0], event["run_id"])
    )
    assert tags["TagSet"] == []
    assert _objects(cloud, event)["users"]["Metadata"] == {"source-version": source["version_id"]}


def test_pinning_again_copies_nothing_even_if_the_sources_are_gone(
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


def test_what_is_pinned_from_elsewhere_is_replaced(cloud: Cloud, event: Event) -> None:
    cloud.put(pinned_key(RENTALS, event["run_id"]), b"rentals")  # names no source
    boto3.client("s3").put_object(  # cut off
        Bucket=cloud.bucket,
        Key=pinned_key(DATASETS[0], event["run_id"]),
        Body=b"use",
        Metadata={"source-version": _file(event, "users")["version_id"]},
    )
    _handle(event)
    assert _contents(cloud, event) == _as_dropped()
    assert "source-version" in _objects(cloud, event)["rentals"]["Metadata"]


def test_a_try_that_failed_anywhere_is_completed_by_the_next(
    cloud: Cloud, event: Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each call of a first try that finds something takes effect, and its answer is lost."""
    for number in range(1, 13):
        event["run_id"] = f"run-{number}"
        made: list[str] = []

        def lose(operation: str, *_: Any, made: list[str] = made, number: int = number) -> None:
            made.append(operation)
            if len(made) == number:
                raise ReadTimeoutError(endpoint_url="s3")

        with monkeypatch.context() as patch:
            watch_calls(patch, lose)
            with pytest.raises(RetryableError, match="Read timeout"):
                _handle(event)
        assert _handle(event) == {"bytes": len("usersvehicleslocationsrentals")}
        assert _contents(cloud, event) == _as_dropped()


def test_a_try_that_died_within_its_parts_is_completed_by_the_next(cloud: Cloud) -> None:
    large = random.Random(2).randbytes(11 * MIB)
    event = _dropped(cloud, {**_as_dropped(), "rentals": large})
    target = boto3.resource("s3").Object(cloud.bucket, pinned_key(RENTALS, event["run_id"]))
    target.initiate_multipart_upload().Part(1).upload(Body=b"x" * 5 * MIB)
    _pin_in_parts(cloud, event)
    assert _contents(cloud, event)["rentals"] == large


def test_two_at_once_come_to_the_same(cloud: Cloud, event: Event) -> None:
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(_handle, [event, event]))
    assert answers == [{"bytes": len("usersvehicleslocationsrentals")}] * 2
    assert _contents(cloud, event) == _as_dropped()


def _delete_version(cloud: Cloud, file: dict[str, Any]) -> None:
    boto3.client("s3").delete_object(
        Bucket=cloud.bucket, Key=file["key"], VersionId=file["version_id"]
    )


def _delete_all_versions(cloud: Cloud, file: dict[str, Any]) -> None:
    boto3.resource("s3").Bucket(cloud.bucket).object_versions.filter(Prefix=file["key"]).delete()


@pytest.mark.parametrize("lose", [_delete_version, _delete_all_versions])
def test_a_version_that_is_gone_is_named_and_nothing_copied(
    cloud: Cloud, event: Event, lose: Callable[[Cloud, dict[str, Any]], None]
) -> None:
    file = _file(event, "vehicles")
    lose(cloud, file)
    with pytest.raises(InputMissingError) as raised:
        _handle(event)
    assert str(raised.value) == (
        f"raw/2026-11/vehicles.csv version {file['version_id']} is missing: "
        "it was deleted or has expired"
    )
    assert _pinned_keys(cloud, event) == []


@pytest.mark.parametrize("size", [5 * MIB, 12 * MIB])
def test_a_version_that_goes_while_it_is_copied(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    event = _dropped(cloud, {**_as_dropped(), "rentals": b"x" * size})
    file = _file(event, "rentals")
    with monkeypatch.context() as patch:

        def lose(operation: str, arguments: dict[str, Any], _: Any) -> None:
            if operation == "HeadObject" and arguments["Key"] == file["key"]:
                patch.undo()
                _delete_version(cloud, file)

        watch_calls(patch, lose)
        with pytest.raises(InputMissingError, match="is missing"):
            _pin_in_parts(cloud, event)
    uploads = boto3.client("s3").list_multipart_uploads(Bucket=cloud.bucket)
    assert "Uploads" not in uploads


@pytest.mark.parametrize(
    ("code", "status", "error", "words"),
    [
        ("PreconditionFailed", 412, InputMissingError, "was replaced while it was copied"),
        ("InternalError", 500, ClientError, "InternalError"),
        ("AccessDenied", 403, ClientError, "AccessDenied"),
    ],
)
@pytest.mark.parametrize("operation", sorted(COPIES))
def test_what_s3_refuses_is_told_in_its_kind(
    cloud: Cloud,
    monkeypatch: pytest.MonkeyPatch,
    operation: str,
    code: str,
    status: int,
    error: type[Exception],
    words: str,
) -> None:
    """moto does not look at the ETag that a copy is bound to; so its refusal is made here."""
    size = 12 * MIB if operation == "UploadPartCopy" else 5
    event = _dropped(cloud, {**_as_dropped(), "rentals": b"x" * size})

    def refuse(called: str, arguments: dict[str, Any], _: Any) -> None:
        if called == operation and "rental" in arguments["Key"]:
            assert arguments["CopySourceIfMatch"]
            raise create_error(called, code, status)

    with monkeypatch.context() as patch:
        watch_calls(patch, refuse)
        with pytest.raises(error, match=words):
            _pin_in_parts(cloud, event)


def test_another_size_than_the_checked_one_is_refused(cloud: Cloud, event: Event) -> None:
    file = _file(event, "rentals")
    file["size"] = 99
    with pytest.raises(InputMissingError, match="has 7 bytes; the file that was checked had 99"):
        _handle(event)
    assert _pinned_keys(cloud, event) == []


def test_invalid_run_id_copies_nothing(cloud: Cloud, event: Event) -> None:
    with pytest.raises(InvalidEventError, match="run_id must be a valid run ID"):
        _handle({**event, "run_id": "../x"})
    assert _pinned_keys(cloud, event) == []


def test_duplicate_dataset_copies_nothing(cloud: Cloud, event: Event) -> None:
    event["files"].append(event["files"][0])
    with pytest.raises(InvalidEventError, match="the field files must contain one file for each"):
        _handle(event)
    assert _pinned_keys(cloud, event) == []


def test_a_missing_setting_is_named(event: Event, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BUCKET")
    with pytest.raises(SettingsError, match="PinInputsSettings: BUCKET is not set"):
        _handle(event)


def test_the_client_has_a_connection_for_each_part(cloud: Cloud) -> None:  # noqa: ARG001
    config: Any = AwsClients().s3.meta.config
    assert config.max_pool_connections >= len(DATASETS) * CopySizes().parts_at_once


@pytest.mark.parametrize("size", [5, 5 * 1024**3, 640 * 10**9, 640 * 1024**3, 5 * 1024**4])
def test_ten_thousand_parts_are_enough(size: int) -> None:
    config = CopySizes().config(size)
    assert -(-size // config.multipart_chunksize) <= 10_000
    assert 64 * MIB <= config.multipart_chunksize <= 5 * 1024**3
    assert config.multipart_threshold <= 5 * 10**9  # beyond, S3 takes no single copy


def test_every_line_of_the_log_names_run_and_batch(event: Event) -> None:
    written = io.StringIO()
    (stream,) = [h for h in logger.handlers if isinstance(h, logging.StreamHandler)]
    before = stream.setStream(written)
    try:
        _handle(event)
    finally:
        stream.setStream(before)
    lines = [json.loads(line) for line in written.getvalue().splitlines()]
    assert [line["message"] for line in lines] == ["Pinned 29 bytes"]
    assert {(line["run_id"], line["batch"]) for line in lines} == {
        (event["run_id"], event["batch"])
    }
