"""Runs that are published at the same time: which one readers see, in many orders of their calls.

A scheduler lets one AWS call of one run happen at a time. At any call, a run can crash, and the
state machine may or may not try it again.
"""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import boto3
import pytest
from botocore.client import BaseClient

from pipeline.ledger.batch import Run
from pipeline.publication.day_changes import DayChanges
from pipeline.publication.pointer import publish_run
from pipeline.publication.publication_records import PublicationRecords
from tests.functional.conftest import Cloud
from tests.support.aws_calls import Crash, Perform, crash_after, intercept_calls, watch_calls
from tests.support.publishing import read_objects
from tests.support.retry_clock import RetryClock
from tests.support.runs import create_transformation_report

SEEDS = range(40)
FIRST, SECOND, THIRD = (
    Run(f"run-{day}", "raw/x/", f"2026-11-0{day}T08:00:00.000000Z", ()) for day in (1, 2, 3)
)


def _publish(cloud: Cloud, run: Run) -> str:
    """Publish a run, and return the ID of the published one."""
    records = PublicationRecords(boto3.client("s3"), cloud.bucket)
    report = create_transformation_report(run.run_id)
    return publish_run(cloud.ledger, records, run, report, lambda _: DayChanges()).run_id


def _crash_before_record(cloud: Cloud, monkeypatch: pytest.MonkeyPatch, run: Run) -> None:
    """Publish a run that crashes after it has moved the pointer."""

    def crash(operation: str, *_: object) -> None:
        if operation == "UpdateItem":
            raise Crash

    with monkeypatch.context() as crashing:
        watch_calls(crashing, crash)
        with pytest.raises(Crash):
            _publish(cloud, run)


def _read_records(cloud: Cloud) -> list[dict[str, Any]]:
    """Return the publication records, the one that readers see last."""
    texts = read_objects(cloud, "published_runs/").values()
    return sorted(
        (json.loads(text) for text in texts if text), key=lambda record: record["published_at"]
    )


def _read_visible_run(cloud: Cloud) -> str:
    return str(_read_records(cloud)[-1]["run_id"])


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> RetryClock:
    return RetryClock().install(monkeypatch)


@pytest.mark.usefixtures("clock")
def test_run_without_record_does_not_supersede(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run that crashed was claimed later. When it is tried again, it is published."""
    _crash_before_record(cloud, monkeypatch, SECOND)
    assert _publish(cloud, FIRST) == FIRST.run_id
    assert _read_visible_run(cloud) == FIRST.run_id
    assert _publish(cloud, SECOND) == SECOND.run_id
    assert _read_visible_run(cloud) == SECOND.run_id


@pytest.mark.usefixtures("clock")
def test_published_run_before_a_crashed_one_is_not_forgotten(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _publish(cloud, SECOND) == SECOND.run_id
    _crash_before_record(cloud, monkeypatch, THIRD)
    assert _publish(cloud, FIRST) == SECOND.run_id
    assert _read_visible_run(cloud) == SECOND.run_id
    assert _publish(cloud, SECOND) == SECOND.run_id
    assert len(_read_records(cloud)) == 1


@pytest.mark.usefixtures("clock")
def test_record_of_crashed_run_is_prevented(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """A slow run cannot write its record after another run was published instead."""
    _crash_before_record(cloud, monkeypatch, SECOND)
    (key,) = {cloud.ledger.get("pointer")["key"]}
    _publish(cloud, FIRST)
    assert not PublicationRecords(boto3.client("s3"), cloud.bucket).write(key, "late")
    assert read_objects(cloud, key) == {key: ""}


def test_run_waits_for_the_record_of_another_run(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other run is between its two writes."""
    _crash_before_record(cloud, monkeypatch, SECOND)
    key = cloud.ledger.get("pointer")["key"]
    record = json.dumps({"run_id": SECOND.run_id, "published_at": key[15:42]})

    def write_record() -> None:
        if len(waiting.waits) == 5:
            cloud.put(key, record.encode())

    waiting = RetryClock(write_record).install(monkeypatch)
    assert _publish(cloud, FIRST) == SECOND.run_id
    assert len(waiting.waits) == 5
    assert read_objects(cloud, "published_runs/") == {key: record}


def test_lost_response_to_the_record_is_noticed(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The SDK sends the request again, and S3 answers that the object exists."""

    def send_twice(
        perform: Perform, client: BaseClient, operation: str, arguments: dict[str, Any]
    ) -> Any:
        if operation == "PutObject":
            perform(client, operation, arguments)
        return perform(client, operation, arguments)

    intercept_calls(monkeypatch, send_twice)
    assert _publish(cloud, FIRST) == FIRST.run_id
    assert len(read_objects(cloud, "published_runs/")) == 1


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("number", range(1, 6))
def test_rollback_after_a_crash_does_not_hide_the_run(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """When the run is tried again, it gets a new time."""
    _publish(cloud, FIRST)
    with monkeypatch.context() as crashing:
        crash_after(crashing, number)
        with pytest.raises(Crash):
            _publish(cloud, SECOND)
    rollback = {"run_id": FIRST.run_id, "published_at": "2126-10-01T08:00:00.000000Z"}
    cloud.put("published_runs/2126-10-01T08-00-00.000000Z-back.json", json.dumps(rollback).encode())
    assert _publish(cloud, SECOND) == SECOND.run_id
    assert _read_visible_run(cloud) == SECOND.run_id


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("number", range(1, 7))
@pytest.mark.parametrize("outer", [SECOND, THIRD], ids=lambda run: run.run_id)
def test_run_is_published_completely_between_two_calls_of_another(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, outer: Run, number: int
) -> None:
    _publish(cloud, FIRST)
    inner = SECOND if outer is THIRD else THIRD
    operations: list[str] = []
    published: dict[str, str] = {}

    def publish_inner(operation: str, *_: object) -> None:
        operations.append(operation)
        if len(operations) == number:
            published[inner.run_id] = _publish(cloud, inner)

    with monkeypatch.context() as watching:
        watch_calls(watching, publish_inner)
        published[outer.run_id] = _publish(cloud, outer)
    assert published.keys() == {SECOND.run_id, THIRD.run_id}
    assert published[THIRD.run_id] == THIRD.run_id
    assert _read_visible_run(cloud) == THIRD.run_id


@dataclass
class _Invocation:
    """One attempt to publish a run, in a thread that performs a call when it is told to."""

    run: Run
    may_continue: threading.Event = field(default_factory=threading.Event)
    has_stopped: threading.Event = field(default_factory=threading.Event)
    must_crash: bool = False
    is_over: bool = False
    result: str | None = None


class _Scheduler:
    """Lets one invocation at a time perform one AWS call."""

    def __init__(self, cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
        self._cloud = cloud
        self._current = threading.local()

        def call(perform: Perform, *arguments: Any) -> Any:
            invocation = getattr(self._current, "invocation", None)
            if invocation:
                self._wait_for_turn(invocation)
            return perform(*arguments)

        intercept_calls(monkeypatch, call)

    def start(self, run: Run) -> _Invocation:
        invocation = _Invocation(run)
        threading.Thread(target=self._run, args=(invocation,), daemon=True).start()
        assert invocation.has_stopped.wait(30)
        return invocation

    def step(self, invocation: _Invocation, *, crash: bool = False) -> None:
        """Let an invocation continue up to its next call."""
        invocation.must_crash = crash
        invocation.has_stopped.clear()
        invocation.may_continue.set()
        assert invocation.has_stopped.wait(30)

    def _run(self, invocation: _Invocation) -> None:
        self._current.invocation = invocation
        try:
            invocation.result = _publish(self._cloud, invocation.run)
        except Crash:
            pass
        finally:
            invocation.is_over = True
            invocation.has_stopped.set()

    def _wait_for_turn(self, invocation: _Invocation) -> None:
        invocation.has_stopped.set()
        assert invocation.may_continue.wait(30)
        invocation.may_continue.clear()
        if invocation.must_crash:
            raise Crash


@contextmanager
def _random_schedule(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, seed: int
) -> Iterator[list[_Invocation]]:
    """Publish three runs in a random order of their calls, with crashes and new attempts."""
    chance = random.Random(seed)
    with monkeypatch.context() as patch:
        scheduler = _Scheduler(cloud, patch)
        waiting = [FIRST, SECOND, THIRD] * 2
        chance.shuffle(waiting)
        invocations = [scheduler.start(waiting.pop())]
        while active := [each for each in invocations if not each.is_over]:
            scheduler.step(chance.choice(active), crash=chance.random() < 0.08)
            if waiting and chance.random() < 0.2:
                invocations.append(scheduler.start(waiting.pop()))
        yield invocations


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("seed", SEEDS)
def test_readers_see_the_run_that_was_claimed_last_in_every_order(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    with _random_schedule(cloud, monkeypatch, seed) as invocations:
        pass
    claims = {run.run_id: run.claimed_at for run in (FIRST, SECOND, THIRD)}
    written = {record["run_id"] for record in _read_records(cloud)}
    for invocation in invocations:
        if invocation.result == invocation.run.run_id:
            assert invocation.run.run_id in written
        elif invocation.result:
            assert invocation.result in written
            assert claims[invocation.result] > invocation.run.claimed_at
    if written:
        assert _read_visible_run(cloud) == max(written, key=lambda run_id: claims[run_id])
