"""Tests that duplicates, retries, crashes, and concurrent invocations lead to one correct run."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
import pytest

from handlers.receive_upload import handler
from tests.functional.conftest import Cloud, Context
from tests.support.aws_calls import Crash, crash_after, serialize_calls
from tests.support.broken_files import VALID_FILES
from tests.support.events import upload_event

Event = dict[str, Any]
# The AWS calls of the handler, in order, for the fourth file of a batch, for a rejected upload, and
# for a file with an unknown name.
START_CALLS = [
    "GetObject",
    "UpdateItem",  # the file is recorded
    "GetItem",
    *["HeadObject"] * 4,
    "UpdateItem",  # the batch is claimed
    "GetItem",
    "GetItem",
    "Query",
    "UpdateItem",  # the run has a slot
    "StartExecution",
    "UpdateItem",
]
EMAIL_CALLS = [
    "PutItem",
    "UpdateItem",  # the email is reserved in the budget
    "GetItem",
    "Publish",
    "UpdateItem",
]
REJECT_CALLS = [
    "GetObject",
    "UpdateItem",  # the rejection is recorded
    "GetItem",
    *EMAIL_CALLS,
    *["GetItem"] * 3,  # the batch is not complete, and no run waits
    "Query",
]
UNKNOWN_NAME_CALLS = EMAIL_CALLS


def _upload_batch(cloud: Cloud, sequencers: Sequence[str], prefix: str = "raw/x/") -> list[Event]:
    """Upload four valid files and return the event of each."""
    return [
        upload_event(f"{prefix}{file}", sequencer, cloud.put(f"{prefix}{file}", VALID_FILES[file]))
        for file, sequencer in zip(VALID_FILES, sequencers, strict=True)
    ]


def _receive(event: Event) -> Any:
    # A short timeout, because an attempt that crashed can be repeated only after its timeout.
    return handler(event, Context(remaining_ms=200))


def _get_versions(execution: dict[str, Any]) -> set[str]:
    return {file["version_id"] for file in execution["files"]}


def _get_event_versions(events: Sequence[Event]) -> set[str]:
    return {event["detail"]["object"]["version-id"] for event in events}


@pytest.mark.parametrize("seed", range(5))
def test_concurrent_repeated_and_reordered_events_start_one_run(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    serialize_calls(monkeypatch)
    older = _upload_batch(cloud, ["01", "02", "03", "04"])[:2]
    events = [*older, *_upload_batch(cloud, ["0A", "0B", "100", "0C"])]
    deliveries = events * 4
    random.Random(seed).shuffle(deliveries)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(_receive, deliveries))
    # An older version may have been claimed before the newer one arrived. Then the newer one waits.
    executions = cloud.executions()
    assert len(executions) == 1
    ((_, execution),) = executions.items()
    waiting = cloud.batches.get_batch("raw/x/").files
    waiting_versions = {file.version_id for file in waiting.values()}
    assert _get_versions(execution) | waiting_versions >= _get_event_versions(events[2:])
    for event in deliveries:
        _receive(event)
    assert cloud.executions() == executions


def test_concurrent_events_of_rejected_upload_send_one_email(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    serialize_calls(monkeypatch)
    event = upload_event("raw/users.csv", "01", cloud.put("raw/users.csv", b"x"))
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: handler(event, Context()), range(16)))
    assert len(cloud.emails()) == 1


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_files_in_any_order_start_one_run(cloud: Cloud, order: Sequence[int]) -> None:
    events = _upload_batch(cloud, ["01", "02", "03", "04"])
    for index in order:
        _receive(events[index])
    ((_, execution),) = cloud.executions().items()
    assert _get_versions(execution) == _get_event_versions(events)


@pytest.mark.parametrize("number", range(1, len(START_CALLS) + 2))
def test_crash_before_start_is_recovered_by_retry(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    *first, last = _upload_batch(cloud, ["01", "02", "03", "04"])
    for event in first:
        _receive(event)
    with monkeypatch.context() as patch:
        calls = crash_after(patch, number)
        if number > len(START_CALLS):
            _receive(last)
            assert calls == START_CALLS  # the list is complete
        else:
            with pytest.raises(Crash):
                _receive(last)
    _receive(last)
    ((_, execution),) = cloud.executions().items()
    assert _get_versions(execution) == _get_event_versions([*first, last])
    batch = cloud.batches.get_batch("raw/x/")
    assert (dict(batch.files), batch.claimed_runs, batch.waiting_since) == ({}, (), None)


@pytest.mark.parametrize("number", range(1, len(REJECT_CALLS) + 2))
def test_crash_before_rejection_is_recovered_by_retry(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    event = upload_event("raw/users.csv", "01", cloud.put("raw/users.csv", b"x"))
    _crash_and_retry(monkeypatch, event, number, REJECT_CALLS)
    # Only a crash between the call of SNS and its record leads to two emails, because SNS cannot
    # tell whether it has sent an email.
    has_crashed_at_publish = number == REJECT_CALLS.index("Publish") + 1
    assert len(cloud.emails()) == (2 if has_crashed_at_publish else 1)
    assert "users" in cloud.batches.get_batch("raw/").rejected


@pytest.mark.parametrize("number", range(1, len(UNKNOWN_NAME_CALLS) + 2))
def test_crash_before_email_about_unknown_name_is_recovered_by_retry(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    event = upload_event("raw/x.csv", "01", cloud.put("raw/x.csv", b"x"))
    _crash_and_retry(monkeypatch, event, number, UNKNOWN_NAME_CALLS)
    has_crashed_at_publish = number == UNKNOWN_NAME_CALLS.index("Publish") + 1
    assert len(cloud.emails()) == (2 if has_crashed_at_publish else 1)


def _crash_and_retry(
    monkeypatch: pytest.MonkeyPatch, event: Event, number: int, expected_calls: list[str]
) -> None:
    with monkeypatch.context() as patch:
        calls = crash_after(patch, number)
        if number > len(expected_calls):
            _receive(event)
            assert calls == expected_calls
        else:
            with pytest.raises(Crash):
                _receive(event)
    _receive(event)


def test_next_batch_with_same_prefix_starts_another_run(cloud: Cloud) -> None:
    first = _upload_batch(cloud, ["01", "02", "03", "04"])
    for event in [*first, *first]:
        _receive(event)
    second = _upload_batch(cloud, ["11", "12", "13", "14"])
    for event in [*second, *first, *second]:
        _receive(event)
    executions = cloud.executions()
    assert len(executions) == 2
    assert sorted(map(sorted, map(_get_versions, executions.values()))) == sorted(
        map(sorted, (_get_event_versions(first), _get_event_versions(second)))
    )


@pytest.mark.parametrize("late", range(4))
def test_late_event_does_not_replace_newer_file(cloud: Cloud, late: int) -> None:
    older = _upload_batch(cloud, [f"0062E99A88DC40746{number}AB" for number in range(4)])
    # The newer sequencers are also shorter.
    newer = _upload_batch(cloud, [f"0062E99A99DC40746{number}" for number in range(4)])
    _receive(newer[late])
    assert _receive(older[late])["outcome"] == "Outdated"
    for event in newer:
        _receive(event)
    ((_, execution),) = cloud.executions().items()
    assert _get_versions(execution) == _get_event_versions(newer)


def test_late_event_after_claim_starts_no_batch(cloud: Cloud) -> None:
    older = _upload_batch(cloud, ["01", "02", "03", "04"])
    for event in _upload_batch(cloud, ["11", "12", "13", "14"]):
        _receive(event)
    for event in older:
        assert _receive(event)["outcome"] == "Outdated"
    assert len(cloud.executions()) == 1
    assert cloud.batches.get_batch("raw/x/").waiting_since is None


def test_version_announced_by_two_events_is_used_once(cloud: Cloud) -> None:
    """An event without a version ID stands for the newest version, which has its own event, too."""
    events = []
    for file, sequencer in zip(VALID_FILES, ["01", "03", "05", "07"], strict=True):
        key = f"raw/{file}"
        cloud.put(key, VALID_FILES[file])
        cloud.put(key, VALID_FILES[file])
        events += [upload_event(key, sequencer), upload_event(key, f"0{int(sequencer) + 1}")]
    for event in [*events, *events]:
        _receive(event)
    ((_, execution),) = cloud.executions().items()
    newest = {
        boto3.client("s3").head_object(Bucket=cloud.bucket, Key=f"raw/{file}")["VersionId"]
        for file in VALID_FILES
    }
    assert _get_versions(execution) == newest


def test_batches_with_different_prefixes_are_independent(cloud: Cloud) -> None:
    events = _upload_batch(cloud, ["01", "02", "03", "04"], "raw/a/")
    others = _upload_batch(cloud, ["01", "02", "03", "04"], "raw/b/")
    for event in [*events[:2], *others[2:]]:
        _receive(event)
    assert cloud.executions() == {}
    for event in [*events[2:], *others[:2]]:
        _receive(event)
    assert len(cloud.executions()) == 2


def test_run_that_cannot_be_started_does_not_block_others(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = _upload_batch(cloud, ["01", "02", "03", "04"])
    second = _upload_batch(cloud, ["11", "12", "13", "14"])
    with monkeypatch.context() as patch:
        patch.setattr("pipeline.intake.run_starter.RunStarter._start", _fail)
        for event in [*first[:3], *second[:3]]:
            _receive(event)
        for event in (second[3], first[3]):
            with pytest.raises(RuntimeError, match="throttled"):
                _receive(event)
    claimed_runs = cloud.batches.get_batch("raw/x/").claimed_runs
    assert claimed_runs
    _receive(second[3])
    assert set(cloud.executions()) == {run.run_id for run in claimed_runs}


def _fail(*_: Any) -> None:
    raise RuntimeError("throttled")


@pytest.mark.parametrize("state", ["deleted", "behind a delete marker", "is a delete marker"])
@pytest.mark.parametrize("crash", ["file is recorded", "batch is claimed"])
def test_file_that_was_deleted_before_claim_is_not_part_of_batch(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, state: str, crash: str
) -> None:
    is_claimed = crash == "batch is claimed"
    *first, last = _upload_batch(cloud, ["01", "02", "03", "04"])
    for event in first:
        _receive(event)
    with monkeypatch.context() as patch:
        crash_after(patch, START_CALLS.index("UpdateItem", 2 if is_claimed else 0) + 1)
        with pytest.raises(Crash):
            _receive(last)
    uploaded = last["detail"]["object"]
    location = {"Bucket": cloud.bucket, "Key": uploaded["key"]}
    if state == "deleted":
        boto3.client("s3").delete_object(**location, VersionId=uploaded["version-id"])
    else:
        del uploaded["version-id"]
        marker = boto3.client("s3").delete_object(**location)["VersionId"]
        if state == "is a delete marker":
            uploaded["version-id"] = marker
    assert _receive(last)["outcome"] == "Deleted"
    assert len(cloud.executions()) == is_claimed
    assert len(cloud.batches.get_batch("raw/x/").files) == (0 if is_claimed else 3)
