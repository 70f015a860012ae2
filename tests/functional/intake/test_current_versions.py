"""Tests that a run consists of the versions that S3 has, whatever events are late or lost."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError

from handlers.watchdog import handler as watchdog
from pipeline.errors import InvalidEventError
from pipeline.intake import upload_emails
from pipeline.intake.current_versions import get_current_versions
from pipeline.ledger.keys import NOTIFICATION_PREFIX
from tests.functional.conftest import Cloud, Context
from tests.support.aws_calls import (
    Perform,
    create_error,
    fail_calls,
    intercept_calls,
    watch_calls,
)
from tests.support.pipeline_clock import PipelineClock
from tests.support.uploads import (
    BATCH,
    INVALID,
    LOCATIONS,
    RENTALS,
    USERS,
    VEHICLES,
    Event,
    Uploader,
    get_version,
    get_versions,
    receive,
)
from tests.support.watchdog import run_watchdog

FIND_LOST_UPLOADS = {"detail-type": "Find Lost Uploads"}


@pytest.fixture
def uploader(cloud: Cloud) -> Uploader:
    return Uploader(cloud)


def _get_only_run(cloud: Cloud) -> set[str]:
    (execution,) = cloud.executions().values()
    return get_versions(execution)


def test_run_waits_for_late_event_of_corrected_file(cloud: Cloud, uploader: Uploader) -> None:
    first = uploader.upload(USERS)
    corrected = uploader.upload(USERS)
    others = uploader.upload_batch(files=[VEHICLES, LOCATIONS, RENTALS])
    receive(first, *others)
    assert cloud.executions() == {}
    receive(corrected)
    assert _get_only_run(cloud) == {get_version(event) for event in [corrected, *others]}
    assert dict(cloud.batches.get_batch(BATCH).files) == {}


def test_repeated_folder_after_rejection_starts_one_run_of_the_last_files(
    cloud: Cloud, uploader: Uploader
) -> None:
    first = [*uploader.upload_batch(files=[USERS, VEHICLES, LOCATIONS])]
    rejected = uploader.upload(RENTALS, INVALID)
    receive(*first, rejected)
    again = uploader.upload_batch()
    # The event of the rentals arrives first. The other files are uploaded already.
    receive(again[3], *again[:3])
    assert _get_only_run(cloud) == set(map(get_version, again))


def test_valid_version_is_used_if_newer_one_was_rejected(cloud: Cloud, uploader: Uploader) -> None:
    events = uploader.upload_batch()
    rejected = uploader.upload(USERS, INVALID)
    receive(rejected, *events)
    assert _get_only_run(cloud) == set(map(get_version, events))


def test_deleted_file_is_not_part_of_batch(cloud: Cloud, uploader: Uploader) -> None:
    users, *others = uploader.upload_batch()
    receive(users)
    uploader.delete(USERS)
    receive(*others)
    assert cloud.executions() == {}
    assert "users" not in cloud.batches.get_batch(BATCH).files
    again = uploader.upload(USERS)
    receive(users, again)
    assert _get_only_run(cloud) == {get_version(event) for event in [again, *others]}


def test_deleted_version_does_not_bring_a_claimed_version_back(
    cloud: Cloud, uploader: Uploader
) -> None:
    first = uploader.upload_batch()
    receive(*first)
    second = uploader.upload_batch()
    receive(second[0])
    uploader.delete(USERS, get_version(second[0]))
    receive(*second[1:])
    run_watchdog()
    assert len(cloud.executions()) == 1
    assert "users" not in cloud.batches.get_batch(BATCH).files


def test_version_that_was_deleted_behind_a_rejected_one_is_not_used(
    cloud: Cloud, uploader: Uploader
) -> None:
    users, *others = uploader.upload_batch()
    rejected = uploader.upload(USERS, INVALID)
    receive(users, rejected)
    uploader.delete(USERS, get_version(users))
    receive(*others)
    assert cloud.executions() == {}
    assert "users" not in cloud.batches.get_batch(BATCH).files


def test_watchdog_records_current_version_if_its_event_is_lost(
    cloud: Cloud, uploader: Uploader
) -> None:
    old, lost = uploader.upload(USERS), uploader.upload(USERS)
    others = uploader.upload_batch(files=[VEHICLES, LOCATIONS, RENTALS])
    receive(old, *others)
    assert len(run_watchdog()["started_runs"]) == 1
    run = _get_only_run(cloud)
    assert run == {get_version(event) for event in [lost, *others]}
    # The events arrive after all.
    assert receive(lost, old) == ["Outdated", "Outdated"]
    assert len(cloud.executions()) == 1
    assert cloud.batches.get_batch(BATCH).waiting_since is None


def test_watchdog_records_restored_file(cloud: Cloud, uploader: Uploader) -> None:
    users = uploader.upload(USERS)
    receive(users)
    marker = uploader.delete(USERS)
    run_watchdog()
    assert cloud.batches.get_batch(BATCH).files == {}
    others = uploader.upload_batch(files=[VEHICLES, LOCATIONS, RENTALS])
    receive(*others)
    uploader.delete(USERS, marker)
    assert len(run_watchdog()["started_runs"]) == 1
    assert _get_only_run(cloud) == {get_version(event) for event in [users, *others]}


def test_watchdog_rejects_current_version_and_removes_it_when_it_was_deleted(
    cloud: Cloud, uploader: Uploader
) -> None:
    receive(uploader.upload(VEHICLES))
    uploader.upload(USERS, INVALID)
    run_watchdog()
    ((subject, _),) = cloud.emails()
    assert subject == "File rejected: raw/x/users.csv"
    assert "users" in cloud.batches.get_batch(BATCH).rejected
    run_watchdog()
    assert cloud.emails() == []
    uploader.delete(USERS)
    uploader.delete(VEHICLES)
    run_watchdog()
    batch = cloud.batches.get_batch(BATCH)
    assert (batch.files, batch.rejected, batch.waiting_since) == ({}, {}, None)


def test_newer_upload_during_reconciliation_wins(
    cloud: Cloud, uploader: Uploader, monkeypatch: pytest.MonkeyPatch
) -> None:
    receive(uploader.upload(USERS))
    uploader.upload(USERS)
    newest: list[Event] = []

    def upload(operation: str, *_: Any) -> None:
        if operation == "GetObject" and not newest:
            newest.append(uploader.upload(USERS))
            receive(*newest)

    watch_calls(monkeypatch, upload)
    run_watchdog()
    assert cloud.batches.get_batch(BATCH).files["users"].version_id == get_version(newest[0])


def test_batch_without_any_event_is_found_within_an_hour(cloud: Cloud, uploader: Uploader) -> None:
    events = uploader.upload_batch()
    cloud.put("raw/x/readme.txt", b"x")
    assert watchdog(FIND_LOST_UPLOADS, Context())["started_runs"]
    assert _get_only_run(cloud) == set(map(get_version, events))
    assert watchdog(FIND_LOST_UPLOADS, Context())["started_runs"] == []
    receive(*events)
    assert len(cloud.executions()) == 1


def test_old_uploads_are_not_searched(uploader: Uploader, monkeypatch: pytest.MonkeyPatch) -> None:
    uploader.upload_batch()
    later = datetime.now(UTC) + timedelta(days=3)
    monkeypatch.setattr("pipeline.recovery.batch_sweep.utc_now", later.isoformat)
    assert watchdog(FIND_LOST_UPLOADS, Context())["started_runs"] == []


def test_idle_batch_leaves_the_index_and_expires(cloud: Cloud, uploader: Uploader) -> None:
    receive(*uploader.upload_batch())
    assert [batch.prefix for batch in cloud.batches.list_open_batches()] == [BATCH]
    run_watchdog()
    assert list(cloud.batches.list_open_batches()) == []
    assert "expiration" in cloud.ledger.get(f"batch/{BATCH}")
    receive(uploader.upload(USERS))
    assert "expiration" not in cloud.ledger.get(f"batch/{BATCH}")
    assert [batch.prefix for batch in cloud.batches.list_open_batches()] == [BATCH]


def test_upload_while_batch_is_closed_keeps_it_open(cloud: Cloud, uploader: Uploader) -> None:
    receive(*uploader.upload_batch())
    batch = cloud.batches.get_batch(BATCH)
    receive(uploader.upload(USERS, INVALID))
    assert not cloud.batches.close(batch, "2026-11-25T00:00:00.000000Z", timedelta(days=90))
    assert [batch.prefix for batch in cloud.batches.list_open_batches()] == [BATCH]


# Uploads that the ledger may have forgotten


@pytest.fixture
def forgotten(cloud: Cloud, uploader: Uploader, monkeypatch: pytest.MonkeyPatch) -> list[Event]:
    """The events of a batch that was claimed so long ago that its ledger item has expired.

    S3 still has the files, because it keeps them longer or deletes them late.
    """
    events = uploader.upload_batch()
    receive(*events)
    run_watchdog()
    expiration = int(cloud.ledger.get(f"batch/{BATCH}")["expiration"])
    PipelineClock.install(monkeypatch, datetime.fromtimestamp(expiration, UTC).isoformat())
    boto3.resource("dynamodb").Table(cloud.table).delete_item(Key={"id": f"batch/{BATCH}"})
    return events


def test_files_of_earlier_run_are_not_used_again(
    cloud: Cloud, uploader: Uploader, forgotten: list[Event]
) -> None:
    correction = uploader.upload(RENTALS)
    receive(correction)
    run_watchdog()
    request = {"detail-type": "Start Batch", "detail": {"batch": BATCH}}
    assert watchdog(request, Context()) == {"batch": BATCH, "outcome": "Incomplete"}
    assert _get_only_run(cloud) == set(map(get_version, forgotten))
    assert list(cloud.batches.get_batch(BATCH).files) == ["rentals"]
    # The run starts when the other files are uploaded again.
    receive(*uploader.upload_batch(files=[USERS, VEHICLES, LOCATIONS]))
    assert len(cloud.executions()) == 2


@pytest.mark.usefixtures("forgotten")
def test_deleted_version_does_not_bring_a_forgotten_version_back(
    cloud: Cloud, uploader: Uploader
) -> None:
    users, *others = uploader.upload_batch()
    receive(users)
    uploader.delete(USERS, get_version(users))
    receive(*others)
    run_watchdog()
    assert len(cloud.executions()) == 1
    assert "users" not in cloud.batches.get_batch(BATCH).files


# Held batches


@pytest.fixture
def old_upload(cloud: Cloud, uploader: Uploader) -> Event:
    """The event of a users file that was uploaded, according to S3, more than 24 hours ago."""
    event = uploader.upload(USERS)
    receive(event)
    item = cloud.ledger.get(f"batch/{BATCH}")
    uploaded_at = "2026-01-01T08:00:00.000000Z"
    cloud.ledger.update(
        f"batch/{BATCH}",
        "SET #users.uploaded_at = :time",
        "attribute_exists(#users)",
        names={"#users": "users"},
        values={":time": uploaded_at},
    )
    assert item["users"]["uploaded_at"] > uploaded_at
    return event


def test_batch_with_uploads_far_apart_is_held_and_reported_once(
    cloud: Cloud, uploader: Uploader, old_upload: Event
) -> None:
    events = uploader.upload_batch(files=[VEHICLES, LOCATIONS, RENTALS])
    receive(*events, events[0])
    run_watchdog()
    assert cloud.executions() == {}
    ((subject, body),) = cloud.emails()
    assert subject == "Batch held: raw/x/"
    assert "more than 24 hours\napart" in body
    assert "\n./run start x\n" in body
    event = upload_emails.build_start_event(BATCH)
    assert watchdog(event, Context()) == {"batch": BATCH, "outcome": "Claimed"}
    assert _get_only_run(cloud) == {get_version(event) for event in [old_upload, *events]}
    assert watchdog(event, Context()) == {"batch": BATCH, "outcome": "Incomplete"}


@pytest.mark.usefixtures("old_upload")
def test_held_batch_is_not_reported_again_when_its_notification_has_expired(
    cloud: Cloud, uploader: Uploader
) -> None:
    receive(*uploader.upload_batch(files=[VEHICLES, LOCATIONS, RENTALS]))
    assert len(cloud.emails()) == 1
    table = boto3.resource("dynamodb").Table(cloud.table)
    for item in table.scan()["Items"]:
        if str(item["id"]).startswith(NOTIFICATION_PREFIX):
            table.delete_item(Key={"id": item["id"]})
    run_watchdog()
    assert cloud.emails() == []
    # A corrected file is reported, in the summary if it is uploaded within the same hour.
    reported = cloud.batches.get_batch(BATCH).held_run
    receive(uploader.upload(RENTALS))
    assert cloud.batches.get_batch(BATCH).held_run != reported


@pytest.mark.usefixtures("old_upload")
def test_held_batch_starts_when_outdated_file_is_replaced(cloud: Cloud, uploader: Uploader) -> None:
    events = uploader.upload_batch(files=[VEHICLES, LOCATIONS, RENTALS])
    receive(*events)
    replacement = uploader.upload(USERS)
    receive(replacement)
    assert _get_only_run(cloud) == {get_version(event) for event in [replacement, *events]}


@pytest.mark.usefixtures("cloud")
@pytest.mark.parametrize("prefix", ["", "raw", "raw/x", "output/x/", "raw/x/y/", "raw/\nx/", None])
def test_start_request_must_name_a_batch(prefix: str | None) -> None:
    request = {"detail-type": "Start Batch", "detail": {"batch": prefix}}
    with pytest.raises(InvalidEventError, match="is not a batch prefix"):
        watchdog(request, Context())


def _refuse_to_read(monkeypatch: pytest.MonkeyPatch, key: str, code: str) -> None:
    """Refuse to read an object as S3 does: the response to HeadObject has no body."""
    codes = {"HeadObject": "400", "GetObject": code}

    def call(
        perform: Perform, client: BaseClient, operation: str, arguments: dict[str, Any]
    ) -> Any:
        if operation in codes and arguments["Key"] == key:
            raise create_error(operation, codes[operation])
        return perform(client, operation, arguments)

    intercept_calls(monkeypatch, call)


def test_unreadable_current_version_is_never_skipped(
    cloud: Cloud, uploader: Uploader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S3 does not even tell the version of an object that is encrypted with a customer's key."""
    receive(*uploader.upload_batch(files=[USERS, VEHICLES, LOCATIONS]))
    rentals = uploader.upload(RENTALS)
    _refuse_to_read(monkeypatch, f"{BATCH}{USERS}", "InvalidRequest")
    receive(rentals)
    assert cloud.executions() == {}
    run_watchdog()
    assert cloud.executions() == {}
    ((subject, _),) = cloud.emails()
    assert subject == "File cannot be read: raw/x/users.csv"


@pytest.mark.parametrize("code", ["ExpiredToken", "KMS.DisabledException", "InvalidArgument"])
def test_cause_of_other_bad_request_is_raised(
    cloud: Cloud, uploader: Uploader, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    """HeadObject has the same status for these errors, which are not about the uploader's key."""
    _refuse_to_read(monkeypatch, uploader.upload(USERS)["detail"]["object"]["key"], code)
    with pytest.raises(ClientError, match=code):
        get_current_versions(boto3.client("s3"), cloud.bucket, BATCH)


def test_file_that_becomes_readable_has_a_version(
    cloud: Cloud, uploader: Uploader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The object was replaced between the two requests."""
    event = uploader.upload(USERS)
    fail_calls(monkeypatch, "HeadObject", code="400")
    current = get_current_versions(boto3.client("s3"), cloud.bucket, BATCH)
    assert current.versions["users"] == get_version(event)
