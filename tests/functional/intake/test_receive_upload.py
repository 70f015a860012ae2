"""Tests of `receive_upload`: uploads that are recorded, rejected, reported, or ignored."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from contract.file_check import HEAD_BYTES
from contract.text import escape_control_characters
from handlers.receive_upload import handler, logger
from pipeline.errors import RetryableError, SettingsError
from tests.functional.conftest import Cloud, Context
from tests.support.aws_calls import fail_calls, watch_calls
from tests.support.broken_files import VALID_FILES, broken_versions
from tests.support.events import load_event, upload_event
from tests.support.pipeline_clock import PipelineClock
from tests.support.snapshots import unfold

CASES = [(file, defect) for file in VALID_FILES for defect in broken_versions(file)]
DATASETS = {
    "users.csv": "users",
    "vehicles.csv": "vehicles",
    "locations.csv": "locations",
    "rental_transactions.csv": "rentals",
}


def _upload(cloud: Cloud, key: str, content: bytes, sequencer: str) -> dict[str, Any]:
    version = cloud.put(key, content)
    return upload_event(key, sequencer, version, len(content))


def _receive(event: dict[str, Any]) -> dict[str, Any]:
    receipt: dict[str, Any] = handler(event, Context())
    return receipt


def test_fourth_valid_file_starts_one_execution(cloud: Cloud) -> None:
    receipts = []
    versions = {}
    for name in ("users", "vehicles", "locations", "rentals"):
        event = load_event(f"upload_{name}")
        uploaded = event["detail"]["object"]
        file = uploaded["key"].rpartition("/")[2]
        uploaded["version-id"] = versions[name] = cloud.put(uploaded["key"], VALID_FILES[file])
        receipts.append(_receive(event))
    assert [receipt["outcome"] for receipt in receipts] == ["Recorded"] * 4
    assert [len(receipt["runs"]) for receipt in receipts] == [0, 0, 0, 1]
    ((run_id, execution_input),) = cloud.executions().items()
    assert run_id == receipts[3]["runs"][0]
    assert run_id.startswith("2026-11-")
    assert execution_input["batch"] == "raw/2026-11/"
    assert {
        file["dataset"]: (file["key"], file["version_id"], file["size"], file["warnings"])
        for file in execution_input["files"]  # type: ignore[attr-defined]
    } == {
        DATASETS[file]: (
            f"raw/2026-11/{file}",
            versions[DATASETS[file]],
            len(VALID_FILES[file]),
            [],
        )
        for file in VALID_FILES
    }
    batch = cloud.batches.get_batch("raw/2026-11/")
    assert (dict(batch.files), batch.claimed_runs, batch.waiting_since) == ({}, (), None)
    assert cloud.emails() == []


@pytest.mark.parametrize(
    ("file", "defect"), CASES, ids=[f"{file}: {defect}" for file, defect in CASES]
)
def test_invalid_file_is_rejected(cloud: Cloud, file: str, defect: str) -> None:
    content, problems = broken_versions(file)[defect]
    event = _upload(cloud, f"raw/x/{file}", content, "01")
    assert _receive(event) == {"outcome": "Rejected", "batch": "raw/x/", "runs": ()}
    assert _receive(event)["outcome"] == "Rejected"  # a retry
    ((subject, body),) = cloud.emails()
    assert subject == f"File rejected: raw/x/{file}"
    assert f"Its problems raw/x/{file}: {problems} " in unfold(body)
    assert f"{file}: newest rejected\n> raw/x/{file}: " in body
    assert cloud.batches.get_batch("raw/x/").files == {}
    assert cloud.executions() == {}


def test_corrected_file_completes_batch(cloud: Cloud) -> None:
    for number, file in enumerate(VALID_FILES):
        content = b"" if file == "users.csv" else VALID_FILES[file]
        _receive(_upload(cloud, f"raw/{file}", content, f"0{number}"))
    assert cloud.executions() == {}
    receipt = _receive(_upload(cloud, "raw/users.csv", VALID_FILES["users.csv"], "0A"))
    assert len(receipt["runs"]) == 1
    assert receipt["runs"][0].startswith("raw-")
    assert len(cloud.emails()) == 1


def test_rejected_upload_does_not_replace_valid_version(cloud: Cloud) -> None:
    valid = _upload(cloud, "raw/users.csv", VALID_FILES["users.csv"], "01")
    _receive(valid)
    assert _receive(_upload(cloud, "raw/users.csv", b"x", "02"))["outcome"] == "Rejected"
    recorded = cloud.batches.get_batch("raw/").files["users"]
    assert recorded.version_id == valid["detail"]["object"]["version-id"]
    assert "The batch keeps the valid version" in cloud.emails()[0][1]


def test_invalid_upload_is_not_reported_after_newer_upload(cloud: Cloud) -> None:
    invalid = _upload(cloud, "raw/users.csv", b"x", "01")
    _receive(_upload(cloud, "raw/users.csv", VALID_FILES["users.csv"], "02"))
    assert _receive(invalid)["outcome"] == "Outdated"
    assert cloud.emails() == []


@pytest.mark.parametrize(
    ("name", "content", "outcome", "batch"),
    [
        ("upload_without_batch", VALID_FILES["users.csv"], "Recorded", "raw/"),
        ("upload_unversioned", VALID_FILES["users.csv"], "Recorded", "raw/2026-11/"),
        ("upload_odd_key", VALID_FILES["users.csv"], "Recorded", "raw/Zürich 1+2 (März)/"),
        ("upload_folder_marker", b"", "Ignored", None),
        ("upload_unknown_name", b"x", "UnknownName", None),
    ],
)
def test_variants_of_events(
    cloud: Cloud, name: str, content: bytes, outcome: str, batch: str | None
) -> None:
    event = load_event(name)
    uploaded = event["detail"]["object"]
    version = cloud.put(uploaded["key"], content)
    if "version-id" in uploaded:
        uploaded["version-id"] = version
    assert _receive(event) == {"outcome": outcome, "batch": batch, "runs": ()}
    if batch:
        assert cloud.batches.get_batch(batch).files["users"].version_id == version


@pytest.mark.parametrize(
    "key", ["raw/x/", "raw/x/.keep", "raw/x_$folder$", "raw/_SUCCESS", "batches/run_id=1/users.csv"]
)
def test_folder_markers_and_empty_files_are_ignored(cloud: Cloud, key: str) -> None:
    version = cloud.put(key, b"")
    assert _receive(upload_event(key, "01", version, size=0))["outcome"] == "Ignored"
    assert cloud.emails() == []


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("raw/x/Users.CSV", "Upload it again as users.csv."),
        ("raw/x/y/users.csv", "Upload it again to raw/ or to a folder directly below it."),
        ("raw//users.csv", "Upload it again to raw/ or to a folder directly below it."),
        ("raw/x/users (1).csv", "upload it again under the correct name"),
        ("raw/Übersicht.xlsx", "upload it again under the correct name"),
        ("raw/a\x07\x1bb\x7f/x.csv", "upload it again under the correct name"),
        ("raw/a\nb/users.csv", "names must not contain control characters"),
        ("raw/\u202ea/users.csv", "names must not contain control characters"),
        (f"raw/{'long' * 200}.csv", "upload it again under the correct name"),
    ],
)
def test_unknown_name_is_reported_once(cloud: Cloud, key: str, hint: str) -> None:
    event = upload_event(key, "01", "v1", size=5)
    assert _receive(event)["outcome"] == "UnknownName"
    assert _receive(event)["outcome"] == "UnknownName"
    ((subject, body),) = cloud.emails()
    assert hint in unfold(body)
    shown = "".join(escape_control_characters(key).split())
    assert shown in "".join(unfold(body).split())
    assert len(subject) < 100
    assert subject.isascii()
    assert subject.isprintable()  # SNS rejects control characters


def test_unknown_names_in_folder_send_one_email_per_hour(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SNS suspends an email subscription that receives more than about ten messages per second."""
    for time, keys in (
        ("2026-11-24T08:59:59Z", [f"raw/x/{number}/users.csv" for number in range(30)]),
        ("2026-11-24T09:00:00Z", ["raw/x/a.csv", "raw/y/a.csv", "raw/a.csv", "raw/b.csv"]),
    ):
        PipelineClock.install(monkeypatch, time)
        for key in keys:
            event = upload_event(key, "01", "v1", size=5)
            assert _receive(event)["outcome"] == "UnknownName"
            assert _receive(event)["outcome"] == "UnknownName"  # a repeated event
    emails = cloud.emails()
    assert [subject.rpartition(" ")[2] for subject, _ in emails] == [
        "raw/x/0/users.csv",
        "raw/x/a.csv",
        "raw/y/a.csv",
        "raw/a.csv",
    ]
    assert emails[0][1].endswith("lists them after the hour ends:\n> raw/x/\n")
    assert emails[3][1].endswith("\n> raw/\n")


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("InvalidObjectState", "The object is archived"),
        ("InvalidRequest", "The object was stored using a form of Server Side Encryption"),
        ("AccessDenied", "not authorized to perform: kms:Decrypt on resource: arn:aws:kms:x:key/y"),
    ],
)
def test_unreadable_file_is_reported_once(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, code: str, message: str
) -> None:
    event = _upload(cloud, "raw/users.csv", VALID_FILES["users.csv"], "01")
    with monkeypatch.context() as patch:
        fail_calls(patch, "GetObject", code=code, message=message)
        for _ in range(2):
            assert _receive(event)["outcome"] == "Unreadable"
    ((subject, body),) = cloud.emails()
    assert subject == "File cannot be read: raw/users.csv"
    assert message in unfold(body)
    assert cloud.batches.get_batch("raw/").files == {}


def test_missing_permission_of_function_is_an_error(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_calls(monkeypatch, "GetObject", message="not authorized to perform: s3:GetObject")
    with pytest.raises(ClientError, match="s3:GetObject"):
        _receive(upload_event("raw/users.csv", "01", "v1"))
    assert cloud.emails() == []


@pytest.mark.usefixtures("cloud")
def test_deleted_version_is_not_an_error() -> None:
    event = upload_event("raw/users.csv", "01", "gone")
    assert _receive(event)["outcome"] == "Deleted"
    assert _receive(upload_event("raw/users.csv", "01"))["outcome"] == "Deleted"


def test_version_of_event_is_read_instead_of_newer_version(cloud: Cloud) -> None:
    event = _upload(cloud, "raw/users.csv", VALID_FILES["users.csv"], "01")
    cloud.put("raw/users.csv", b"newer")
    assert _receive(event)["outcome"] == "Recorded"


def test_only_first_megabyte_is_read(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    requests = []

    def record(operation: str, arguments: dict[str, Any], response: Any) -> None:
        if operation == "GetObject":
            requests.append((arguments["Range"], response["ContentLength"]))

    watch_calls(monkeypatch, record)
    # The job, not the file check, validates the rest of the file.
    content = VALID_FILES["users.csv"] + b"x" * HEAD_BYTES + b"\xff"
    event = _upload(cloud, "raw/users.csv", content, "01")
    assert _receive(event)["outcome"] == "Recorded"
    assert requests == [("bytes=0-1048575", HEAD_BYTES)]
    assert cloud.batches.get_batch("raw/").files["users"].size == len(content)


def test_warning_about_unexpected_column_is_passed_to_run(cloud: Cloud) -> None:
    for number, file in enumerate(VALID_FILES):
        content = (
            VALID_FILES[file].replace(b"\n", b",extra\n")
            if file == "users.csv"
            else VALID_FILES[file]
        )
        _receive(_upload(cloud, f"raw/{file}", content, f"0{number}"))
    (execution_input,) = cloud.executions().values()
    warnings = {file["dataset"]: file["warnings"] for file in execution_input["files"]}  # type: ignore[attr-defined]
    assert warnings["users"] == ["unexpected column `extra` is ignored"]


def test_error_names_missing_settings(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TOPIC_ARN")
    monkeypatch.delenv("LEDGER_TABLE")
    with pytest.raises(SettingsError, match="LEDGER_TABLE is not set; TOPIC_ARN is not set"):
        _receive(_upload(cloud, "raw/users.csv", VALID_FILES["users.csv"], "01"))


def test_original_files_are_accepted(cloud: Cloud) -> None:
    folder = Path(__file__).resolve().parents[4] / "shared" / "data" / "rentals"
    if not folder.is_dir():
        pytest.skip("the original data files are not available")
    for number, file in enumerate(VALID_FILES):
        event = _upload(cloud, f"raw/{file}", (folder / file).read_bytes(), f"0{number}")
        assert _receive(event)["outcome"] == "Recorded"
    assert len(cloud.executions()) == 1


@pytest.mark.usefixtures("cloud")
def test_files_are_read_from_bucket_of_stack() -> None:
    boto3.client("s3").create_bucket(
        Bucket="other", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
    )
    event = upload_event("raw/users.csv", "01")
    event["detail"]["bucket"]["name"] = "other"
    assert _receive(event)["outcome"] == "Deleted"


def test_log_lines_contain_batch(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    log = io.StringIO()
    monkeypatch.setattr(logger.registered_handler, "stream", log)
    events = [
        _upload(cloud, f"raw/x/{file}", VALID_FILES[file], f"0{number}")
        for number, file in enumerate(VALID_FILES)
    ]
    run_ids = [run_id for event in events for run_id in _receive(event)["runs"]]
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    assert len(lines) == len(events) + len(run_ids) == 5
    assert {line["batch"] for line in lines} == {"raw/x/"}
    assert [line["run_id"] for line in lines if "run_id" in line] == run_ids


@pytest.mark.parametrize("code", ["NoSuchKey", "NoSuchVersion", "MethodNotAllowed"])
@pytest.mark.usefixtures("cloud")
def test_all_error_codes_of_deleted_objects(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """S3 returns MethodNotAllowed for the version of a delete marker, which moto does not do."""
    fail_calls(monkeypatch, "GetObject", code=code)
    assert _receive(upload_event("raw/users.csv", "01", "v1"))["outcome"] == "Deleted"


def test_temporary_error_of_s3_sends_no_email(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_calls(monkeypatch, "GetObject", code="SlowDown")
    with pytest.raises(RetryableError, match="SlowDown"):
        _receive(upload_event("raw/users.csv", "01", "v1"))
    assert cloud.emails() == []
