"""Duplicates, retries, crashes and Lambdas at the same time come to one run of the right files."""

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
# What the handler calls, in order, when the fourth file comes and when a file is refused.
START = [
    "GetObject",
    "UpdateItem",
    "GetItem",
    "UpdateItem",
    "GetItem",
    "StartExecution",
    "UpdateItem",
]
REFUSE = ["GetObject", "UpdateItem", "GetItem", "PutItem", "Publish", "UpdateItem", "GetItem"]
UNKNOWN = ["PutItem", "Publish", "UpdateItem"]


def _drop(cloud: Cloud, sequencers: Sequence[str], prefix: str = "raw/x/") -> list[Event]:
    """The four files under a prefix, each with its sequencer."""
    return [
        upload_event(f"{prefix}{file}", sequencer, cloud.put(f"{prefix}{file}", VALID_FILES[file]))
        for file, sequencer in zip(VALID_FILES, sequencers, strict=True)
    ]


def _receive(event: Event) -> Any:
    # A crashed try is known to be dead when its time is over, so it has little.
    return handler(event, Context(remaining_ms=200))


def _versions(execution: dict[str, Any]) -> set[str]:
    return {file["version_id"] for file in execution["files"]}


def _versions_of(events: Sequence[Event]) -> set[str]:
    return {event["detail"]["object"]["version-id"] for event in events}


@pytest.mark.parametrize("seed", range(5))
def test_eight_lambdas_with_repeated_and_reordered_events(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    serialize_calls(monkeypatch)
    older = _drop(cloud, ["01", "02", "03", "04"])[:2]
    events = [*older, *_drop(cloud, ["0A", "0B", "100", "0C"])]
    many = events * 4
    random.Random(seed).shuffle(many)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(_receive, many))
    # An older version may have been claimed before its better came; then that one waits.
    executions = cloud.executions()
    assert len(executions) == 1
    ((_, execution),) = executions.items()
    waiting = cloud.batches.get_batch("raw/x/").files
    assert _versions(execution) | {file.version_id for file in waiting.values()} >= _versions_of(
        events[2:]
    )
    for event in many:
        _receive(event)
    assert cloud.executions() == executions


def test_eight_lambdas_tell_one_refusal_once(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    serialize_calls(monkeypatch)
    event = upload_event("raw/users.csv", "01", cloud.put("raw/users.csv", b"x"))
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: handler(event, Context()), range(16)))
    assert len(cloud.emails()) == 1


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_every_order_of_the_four(cloud: Cloud, order: Sequence[int]) -> None:
    events = _drop(cloud, ["01", "02", "03", "04"])
    for place in order:
        _receive(events[place])
    ((_, execution),) = cloud.executions().items()
    assert _versions(execution) == _versions_of(events)


@pytest.mark.parametrize("number", range(1, len(START) + 2))
def test_a_crash_on_the_way_to_the_start(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    *first, last = _drop(cloud, ["01", "02", "03", "04"])
    for event in first:
        _receive(event)
    with monkeypatch.context() as patch:
        made = crash_after(patch, number)
        if number > len(START):
            _receive(last)
            assert made == START  # so the list above is all of them
        else:
            with pytest.raises(Crash):
                _receive(last)
    _receive(last)
    ((_, execution),) = cloud.executions().items()
    assert _versions(execution) == _versions_of([*first, last])
    batch = cloud.batches.get_batch("raw/x/")
    assert (dict(batch.files), batch.claimed_runs, batch.waiting_since) == ({}, (), None)


@pytest.mark.parametrize("number", range(1, len(REFUSE) + 2))
def test_a_crash_on_the_way_to_a_refusal(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    event = upload_event("raw/users.csv", "01", cloud.put("raw/users.csv", b"x"))
    _crash_and_retry(monkeypatch, event, number, REFUSE)
    # SNS cannot be asked whether it sent: dying at that moment is the one way to two mails.
    died_at_publish = number == REFUSE.index("Publish") + 1
    assert len(cloud.emails()) == (2 if died_at_publish else 1)
    assert "users" in cloud.batches.get_batch("raw/").rejected


@pytest.mark.parametrize("number", range(1, len(UNKNOWN) + 2))
def test_a_crash_on_the_way_to_telling_an_unknown_name(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    event = upload_event("raw/x.csv", "01", cloud.put("raw/x.csv", b"x"))
    _crash_and_retry(monkeypatch, event, number, UNKNOWN)
    died_at_publish = number == UNKNOWN.index("Publish") + 1
    assert len(cloud.emails()) == (2 if died_at_publish else 1)


def _crash_and_retry(
    monkeypatch: pytest.MonkeyPatch, event: Event, number: int, calls: list[str]
) -> None:
    with monkeypatch.context() as patch:
        made = crash_after(patch, number)
        if number > len(calls):
            _receive(event)
            assert made == calls
        else:
            with pytest.raises(Crash):
                _receive(event)
    _receive(event)


def test_the_next_batch_under_the_same_prefix_is_a_run_of_its_own(cloud: Cloud) -> None:
    first = _drop(cloud, ["01", "02", "03", "04"])
    second = _drop(cloud, ["11", "12", "13", "14"])
    for event in [*first, *first, *second, *first, *second]:
        _receive(event)
    executions = cloud.executions()
    assert len(executions) == 2
    assert sorted(map(sorted, map(_versions, executions.values()))) == sorted(
        map(sorted, (_versions_of(first), _versions_of(second)))
    )


@pytest.mark.parametrize("late", range(4))
def test_an_older_event_never_replaces_a_newer_file(cloud: Cloud, late: int) -> None:
    older = _drop(cloud, [f"0062E99A88DC40746{number}AB" for number in range(4)])
    newer = _drop(cloud, [f"0062E99A99DC40746{number}" for number in range(4)])  # and shorter
    _receive(newer[late])
    assert _receive(older[late])["outcome"] == "Outdated"
    for place in range(4):
        _receive(newer[place])
    ((_, execution),) = cloud.executions().items()
    assert _versions(execution) == _versions_of(newer)


def test_an_older_event_after_the_claim_starts_no_batch(cloud: Cloud) -> None:
    older = _drop(cloud, ["01", "02", "03", "04"])
    for event in _drop(cloud, ["11", "12", "13", "14"]):
        _receive(event)
    for event in older:
        assert _receive(event)["outcome"] == "Outdated"
    assert len(cloud.executions()) == 1
    assert cloud.batches.get_batch("raw/x/").waiting_since is None


def test_events_without_versions_count_each_version_once(cloud: Cloud) -> None:
    """The newest version is read, whichever event announces it; so one may be announced twice."""
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
    assert _versions(execution) == newest


def test_two_prefixes_do_not_meet(cloud: Cloud) -> None:
    events = _drop(cloud, ["01", "02", "03", "04"], "raw/a/")
    others = _drop(cloud, ["01", "02", "03", "04"], "raw/b/")
    for event in [*events[:2], *others[2:]]:
        _receive(event)
    assert cloud.executions() == {}
    for event in [*events[2:], *others[:2]]:
        _receive(event)
    assert len(cloud.executions()) == 2


def test_a_run_that_cannot_be_started_does_not_keep_the_others(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = _drop(cloud, ["01", "02", "03", "04"])
    second = _drop(cloud, ["11", "12", "13", "14"])
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


@pytest.mark.parametrize("how", ["deleted", "behind a delete marker", "a delete marker itself"])
def test_a_retry_starts_what_is_complete_though_its_file_is_gone(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    *first, last = _drop(cloud, ["01", "02", "03", "04"])
    for event in first:
        _receive(event)
    with monkeypatch.context() as patch:
        crash_after(patch, START.index("UpdateItem") + 1)
        with pytest.raises(Crash):
            _receive(last)
    made = last["detail"]["object"]
    place = {"Bucket": cloud.bucket, "Key": made["key"]}
    if how == "deleted":
        boto3.client("s3").delete_object(**place, VersionId=made["version-id"])
    else:
        del made["version-id"]
        marker = boto3.client("s3").delete_object(**place)["VersionId"]
        if how == "a delete marker itself":
            made["version-id"] = marker
    assert _receive(last)["outcome"] == "Deleted"
    assert len(cloud.executions()) == 1
