"""Files dropped into the bucket: what is noted, started, refused, told and ignored."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError

from contract.file_check import HEAD_BYTES
from handlers.receive_upload import handler, logger
from pipeline.errors import RetryableError, SettingsError
from tests.functional.conftest import Cloud, Context
from tests.support.aws_calls import fail_calls
from tests.support.broken_files import VALID_FILES, broken_versions
from tests.support.events import load_event, upload_event

CASES = [(file, way) for file in VALID_FILES for way in broken_versions(file)]
DATASETS = {
    "users.csv": "users",
    "vehicles.csv": "vehicles",
    "locations.csv": "locations",
    "rental_transactions.csv": "rentals",
}


def _drop(cloud: Cloud, key: str, content: bytes, sequencer: str) -> dict[str, Any]:
    version = cloud.put(key, content)
    return upload_event(key, sequencer, version, len(content))


def _receive(event: dict[str, Any]) -> dict[str, Any]:
    receipt: dict[str, Any] = handler(event, Context())
    return receipt


def test_the_fourth_valid_file_starts_one_execution(cloud: Cloud) -> None:
    receipts = []
    versions = {}
    for name in ("users", "vehicles", "locations", "rentals"):
        event = load_event(f"upload_{name}")
        made = event["detail"]["object"]
        file = made["key"].rpartition("/")[2]
        made["version-id"] = versions[name] = cloud.put(made["key"], VALID_FILES[file])
        receipts.append(_receive(event))
    assert [receipt["outcome"] for receipt in receipts] == ["Recorded"] * 4
    assert [len(receipt["runs"]) for receipt in receipts] == [0, 0, 0, 1]
    ((run, started),) = cloud.executions().items()
    assert run == receipts[3]["runs"][0]
    assert run.startswith("2026-11-")
    assert started["batch"] == "raw/2026-11/"
    assert {
        file["dataset"]: (file["key"], file["version_id"], file["size"], file["warnings"])
        for file in started["files"]  # type: ignore[attr-defined]
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


@pytest.mark.parametrize(("file", "way"), CASES, ids=[f"{file}: {way}" for file, way in CASES])
def test_a_file_that_cannot_be_used_is_refused(cloud: Cloud, file: str, way: str) -> None:
    content, problems = broken_versions(file)[way]
    event = _drop(cloud, f"raw/x/{file}", content, "01")
    assert _receive(event) == {"outcome": "Rejected", "batch": "raw/x/", "runs": ()}
    assert _receive(event)["outcome"] == "Rejected"  # a retry
    ((subject, body),) = cloud.emails()
    assert subject == f"File rejected: raw/x/{file}"
    assert body.splitlines()[0] == f"raw/x/{file}: {problems}"
    assert f"{file}: missing; the newest upload was rejected: raw/x/{file}: " in body
    assert cloud.batches.get_batch("raw/x/").files == {}
    assert cloud.executions() == {}


def test_a_correction_completes_the_batch(cloud: Cloud) -> None:
    for number, file in enumerate(VALID_FILES):
        content = b"" if file == "users.csv" else VALID_FILES[file]
        _receive(_drop(cloud, f"raw/{file}", content, f"0{number}"))
    assert cloud.executions() == {}
    corrected = _receive(_drop(cloud, "raw/users.csv", VALID_FILES["users.csv"], "0A"))
    assert len(corrected["runs"]) == 1
    assert corrected["runs"][0].startswith("raw-")
    assert len(cloud.emails()) == 1


def test_a_broken_upload_changes_nothing_about_the_valid_one_before_it(cloud: Cloud) -> None:
    valid = _drop(cloud, "raw/users.csv", VALID_FILES["users.csv"], "01")
    _receive(valid)
    assert _receive(_drop(cloud, "raw/users.csv", b"x", "02"))["outcome"] == "Rejected"
    kept = cloud.batches.get_batch("raw/").files["users"]
    assert kept.version_id == valid["detail"]["object"]["version-id"]
    assert "keeps the valid version" in cloud.emails()[0][1]


def test_a_broken_upload_that_was_overtaken_is_not_told(cloud: Cloud) -> None:
    broken_event = _drop(cloud, "raw/users.csv", b"x", "01")
    _receive(_drop(cloud, "raw/users.csv", VALID_FILES["users.csv"], "02"))
    assert _receive(broken_event)["outcome"] == "Outdated"
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
def test_events(cloud: Cloud, name: str, content: bytes, outcome: str, batch: str | None) -> None:
    event = load_event(name)
    made = event["detail"]["object"]
    version = cloud.put(made["key"], content)
    if "version-id" in made:
        made["version-id"] = version
    assert _receive(event) == {"outcome": outcome, "batch": batch, "runs": ()}
    if batch:
        assert cloud.batches.get_batch(batch).files["users"].version_id == version


@pytest.mark.parametrize(
    "key", ["raw/x/", "raw/x/.keep", "raw/x_$folder$", "raw/_SUCCESS", "batches/run_id=1/users.csv"]
)
def test_what_means_nothing_is_ignored(cloud: Cloud, key: str) -> None:
    version = cloud.put(key, b"")
    assert _receive(upload_event(key, "01", version, size=0))["outcome"] == "Ignored"
    assert cloud.emails() == []


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("raw/x/Users.CSV", "Drop it again as users.csv."),
        ("raw/x/y/users.csv", "Drop it again one folder below raw/ at most."),
        ("raw//users.csv", "Drop it again one folder below raw/ at most."),
        ("raw/x/users (1).csv", "drop it again under that name"),
        ("raw/Übersicht.xlsx", "drop it again under that name"),
        ("raw/a\x07\x1bb\x7f/x.csv", "drop it again under that name"),
        (f"raw/{'long' * 200}.csv", "drop it again under that name"),
    ],
)
def test_another_name_is_told_once(cloud: Cloud, key: str, hint: str) -> None:
    event = upload_event(key, "01", "v1", size=5)
    assert _receive(event)["outcome"] == "UnknownName"
    assert _receive(event)["outcome"] == "UnknownName"
    ((subject, body),) = cloud.emails()
    assert hint in body
    assert key in body
    assert len(subject) < 100
    assert subject.isascii()
    assert subject.isprintable()  # SNS refuses control characters


def test_a_folder_of_unknown_names_is_one_mail_an_hour(cloud: Cloud) -> None:
    """SNS suspends a subscription that gets more than about ten messages a second."""
    for hour, keys in (
        ("08", [f"raw/x/{number}/users.csv" for number in range(30)]),
        ("09", ["raw/x/a.csv", "raw/y/a.csv", "raw/a.csv", "raw/b.csv"]),
    ):
        for key in keys:
            event = upload_event(key, "01", "v1", size=5) | {"time": f"2026-11-24T{hour}:59:59Z"}
            assert _receive(event)["outcome"] == "UnknownName"
            assert _receive(event)["outcome"] == "UnknownName"  # whenever it comes again
    emails = cloud.emails()
    assert [subject.rpartition(" ")[2] for subject, _ in emails] == [
        "raw/x/0/users.csv",
        "raw/x/a.csv",
        "raw/y/a.csv",
        "raw/a.csv",
    ]
    assert "come into raw/x/ within the hour are not told one by one" in emails[0][1]
    assert "come into raw/ within the hour" in emails[3][1]


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("InvalidObjectState", "The object is archived"),
        ("InvalidRequest", "The object was stored using a form of Server Side Encryption"),
        ("AccessDenied", "not authorized to perform: kms:Decrypt on resource: arn:aws:kms:x:key/y"),
    ],
)
def test_a_file_that_cannot_be_read_is_told(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, code: str, words: str
) -> None:
    event = _drop(cloud, "raw/users.csv", VALID_FILES["users.csv"], "01")
    with monkeypatch.context() as patch:
        fail_calls(patch, "GetObject", code=code, message=words)
        for _ in range(2):
            assert _receive(event)["outcome"] == "Unreadable"
    ((subject, body),) = cloud.emails()
    assert subject == "File cannot be read: raw/users.csv"
    assert words in body
    assert cloud.batches.get_batch("raw/").files == {}


def test_a_right_that_is_missing_is_an_error_of_ours(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_calls(monkeypatch, "GetObject", message="not authorized to perform: s3:GetObject")
    with pytest.raises(ClientError, match="s3:GetObject"):
        _receive(upload_event("raw/users.csv", "01", "v1"))
    assert cloud.emails() == []


@pytest.mark.usefixtures("cloud")
def test_a_version_that_is_gone_is_no_error() -> None:
    event = upload_event("raw/users.csv", "01", "gone")
    assert _receive(event)["outcome"] == "Deleted"
    assert _receive(upload_event("raw/users.csv", "01"))["outcome"] == "Deleted"


def test_the_version_of_the_event_is_read_though_a_newer_one_is_there(cloud: Cloud) -> None:
    event = _drop(cloud, "raw/users.csv", VALID_FILES["users.csv"], "01")
    cloud.put("raw/users.csv", b"not this")
    assert _receive(event)["outcome"] == "Recorded"


def test_only_the_first_megabyte_is_read(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    original = BaseClient._make_api_call  # type: ignore[attr-defined]

    def spy(self: BaseClient, operation: str, arguments: dict[str, Any]) -> Any:
        answer = original(self, operation, arguments)
        if operation == "GetObject":
            asked.append((arguments["Range"], answer["ContentLength"]))
        return answer

    monkeypatch.setattr(BaseClient, "_make_api_call", spy)
    # The job, not the file check, validates the rest of the file.
    content = VALID_FILES["users.csv"] + b"x" * HEAD_BYTES + b"\xff"
    event = _drop(cloud, "raw/users.csv", content, "01")
    assert _receive(event)["outcome"] == "Recorded"
    assert asked == [("bytes=0-1048575", HEAD_BYTES)]
    assert cloud.batches.get_batch("raw/").files["users"].size == len(content)


def test_an_unexpected_column_travels_with_the_run(cloud: Cloud) -> None:
    for number, file in enumerate(VALID_FILES):
        content = (
            VALID_FILES[file].replace(b"\n", b",extra\n")
            if file == "users.csv"
            else VALID_FILES[file]
        )
        _receive(_drop(cloud, f"raw/{file}", content, f"0{number}"))
    (started,) = cloud.executions().values()
    warnings = {file["dataset"]: file["warnings"] for file in started["files"]}  # type: ignore[attr-defined]
    assert warnings["users"] == ["unexpected column `extra` is ignored"]


def test_a_setting_that_is_missing_is_named(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TOPIC_ARN")
    monkeypatch.delenv("LEDGER_TABLE")
    with pytest.raises(SettingsError, match="LEDGER_TABLE is not set; TOPIC_ARN is not set"):
        _receive(_drop(cloud, "raw/users.csv", VALID_FILES["users.csv"], "01"))


def test_the_real_files_are_accepted(cloud: Cloud) -> None:
    folder = Path(__file__).resolve().parents[4] / "shared" / "data" / "rentals"
    if not folder.is_dir():
        pytest.skip("the real data are not beside the project")
    for number, file in enumerate(VALID_FILES):
        event = _drop(cloud, f"raw/{file}", (folder / file).read_bytes(), f"0{number}")
        assert _receive(event)["outcome"] == "Recorded"
    assert len(cloud.executions()) == 1


@pytest.mark.usefixtures("cloud")
def test_objects_are_looked_up_in_the_stacks_own_bucket() -> None:
    boto3.client("s3").create_bucket(
        Bucket="other", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
    )
    event = upload_event("raw/users.csv", "01")
    event["detail"]["bucket"]["name"] = "other"
    assert _receive(event)["outcome"] == "Deleted"


def test_every_line_of_the_log_names_the_batch(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = io.StringIO()
    monkeypatch.setattr(logger.registered_handler, "stream", written)
    events = [
        _drop(cloud, f"raw/x/{file}", VALID_FILES[file], f"0{number}")
        for number, file in enumerate(VALID_FILES)
    ]
    runs = [run for event in events for run in _receive(event)["runs"]]
    lines = [json.loads(line) for line in written.getvalue().splitlines()]
    assert len(lines) == len(events) + len(runs) == 5
    assert {line["batch"] for line in lines} == {"raw/x/"}
    assert [line["run_id"] for line in lines if "run_id" in line] == runs


@pytest.mark.parametrize("code", ["NoSuchKey", "NoSuchVersion", "MethodNotAllowed"])
@pytest.mark.usefixtures("cloud")
def test_all_ways_to_be_gone(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """The last is S3's answer for the version of a delete marker, which moto does not give."""
    fail_calls(monkeypatch, "GetObject", code=code)
    assert _receive(upload_event("raw/users.csv", "01", "v1"))["outcome"] == "Deleted"


def test_s3_in_trouble_is_nothing_to_tell(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    fail_calls(monkeypatch, "GetObject", code="SlowDown")
    with pytest.raises(RetryableError, match="SlowDown"):
        _receive(upload_event("raw/users.csv", "01", "v1"))
    assert cloud.emails() == []
