"""Tests of the limit of concurrent runs, and of the order in which waiting runs start."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from pipeline.errors import RetryableError
from tests.functional.conftest import Cloud
from tests.support.aws_calls import Crash, crash_after, fail_calls, serialize_calls, watch_calls
from tests.support.ended_runs import end_execution
from tests.support.events import load_event
from tests.support.uploads import Uploader, receive
from tests.support.watchdog import put_run_item, run_watchdog


@pytest.fixture
def uploader(cloud: Cloud) -> Uploader:
    return Uploader(cloud)


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A list to which each start of an execution adds the run ID."""
    runs: list[str] = []

    def record(operation: str, arguments: dict[str, Any], _: Any) -> None:
        if operation == "StartExecution" and arguments["name"] not in runs:
            runs.append(arguments["name"])

    watch_calls(monkeypatch, record)
    return runs


def _claim_batches(uploader: Uploader, *names: str) -> None:
    for name in names:
        receive(*uploader.upload_batch(f"raw/{name}/"))


def _get_slots(cloud: Cloud) -> set[str]:
    return set(cloud.ledger.get("run_slots").get("runs", ()))


def _take_slot(cloud: Cloud, run_id: str) -> None:
    """Take a slot as the state machine does, even if none is free."""
    cloud.ledger.update(
        "run_slots",
        "ADD runs :runs",
        "attribute_not_exists(id) OR attribute_exists(id)",
        values={":runs": {run_id}},
    )


def _end(cloud: Cloud, run_id: str, status: str = "SUCCEEDED") -> None:
    """End an execution, and send the event about it to the watchdog."""
    arn = f"{cloud.state_machine_arn.replace(':stateMachine:', ':execution:')}:{run_id}"
    end_execution(arn, status)
    event = load_event("status_failed")
    event["detail"] |= {
        "stateMachineArn": cloud.state_machine_arn,
        "executionArn": arn,
        "name": run_id,
        "status": status,
        "input": "{}",
    }
    run_watchdog(event)


def _list_batches(runs: list[str]) -> list[str]:
    return [run.split("-")[0] for run in runs]


def test_further_runs_wait_in_the_order_of_their_claims(
    cloud: Cloud, uploader: Uploader, started: list[str]
) -> None:
    _claim_batches(uploader, "d", "b", "f", "a", "e", "c", "g")
    assert _list_batches(started) == ["d", "b", "f", "a"]
    assert _get_slots(cloud) == set(started)
    _end(cloud, started[1])
    assert _list_batches(started[4:]) == ["e"]
    _end(cloud, started[0], "FAILED")
    _end(cloud, started[2], "ABORTED")
    assert _list_batches(started[4:]) == ["e", "c", "g"]
    assert _get_slots(cloud) == {started[3], *started[4:]}
    assert run_watchdog()["started_runs"] == []


def test_concurrent_claims_never_exceed_the_limit(
    cloud: Cloud, uploader: Uploader, monkeypatch: pytest.MonkeyPatch
) -> None:
    serialize_calls(monkeypatch)
    events = [event for name in "abcdefgh" for event in uploader.upload_batch(f"raw/{name}/")]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(receive, events))
    assert len(cloud.executions()) == 4
    waiting = [run for batch in cloud.batches.list_open_batches() for run in batch.claimed_runs]
    assert len(waiting) == 4
    claim_times = [str(run["claimed_at"]) for run in cloud.executions().values()]
    assert max(claim_times) < min(run.claimed_at for run in waiting)


def test_repeated_run_counts(cloud: Cloud, uploader: Uploader, started: list[str]) -> None:
    """A run that a person starts takes its slot in the state machine, even if none is free."""
    _claim_batches(uploader, "a", "b", "c", "d")
    machine = cloud.state_machine_arn
    repeated = f"{started[0]}-2"
    boto3.client("stepfunctions").start_execution(stateMachineArn=machine, name=repeated)
    _take_slot(cloud, repeated)
    _end(cloud, started[0])
    _claim_batches(uploader, "e")
    assert _list_batches(started[4:]) == [started[0].split("-")[0]]  # the repeated run itself
    _end(cloud, repeated)
    assert _list_batches(started[5:]) == ["e"]


def test_slot_is_released_by_sweep_if_event_is_lost(
    cloud: Cloud, uploader: Uploader, started: list[str]
) -> None:
    _claim_batches(uploader, "a", "b", "c", "d", "e")
    arn = f"{cloud.state_machine_arn.replace(':stateMachine:', ':execution:')}:{started[0]}"
    put_run_item(cloud, started[0])
    end_execution(arn, "FAILED")
    assert _list_batches(run_watchdog()["started_runs"]) == ["e"]
    assert started[0] not in _get_slots(cloud)


def test_run_without_execution_does_not_keep_its_slot(cloud: Cloud) -> None:
    """Only the second sweep releases it, because a new execution may not be found at once."""
    _take_slot(cloud, "x")
    run_watchdog()
    assert _get_slots(cloud) == {"x"}
    run_watchdog()
    assert _get_slots(cloud) == set()
    assert set(cloud.ledger.get("run_slots")) == {"id"}


def test_run_keeps_its_slot_if_the_response_of_its_start_is_lost(
    cloud: Cloud, uploader: Uploader, monkeypatch: pytest.MonkeyPatch
) -> None:
    *first, last = uploader.upload_batch("raw/a/")
    receive(*first)
    throttled = ClientError({"Error": {"Code": "ThrottlingException"}}, "StartExecution")

    def lose_response(operation: str, *_: Any) -> None:
        if operation == "StartExecution":
            raise throttled

    with monkeypatch.context() as patch:
        watch_calls(patch, lose_response)
        with pytest.raises(RetryableError):
            receive(last)
    (run_id,) = cloud.executions()
    assert _get_slots(cloud) == {run_id}


@pytest.mark.parametrize("max_runs", ["1", "4"])
def test_slot_of_waiting_run_is_kept(
    cloud: Cloud, uploader: Uploader, monkeypatch: pytest.MonkeyPatch, max_runs: str
) -> None:
    """The function crashed after the run took its slot. The watchdog starts the run."""
    monkeypatch.setenv("MAX_CONCURRENT_RUNS", max_runs)
    *first, last = uploader.upload_batch("raw/a/")
    receive(*first)
    with monkeypatch.context() as patch:
        calls = crash_after(patch, 12)
        with pytest.raises(Crash):
            receive(last)
        assert calls[-2:] == ["Query", "UpdateItem"]
    assert len(_get_slots(cloud)) == 1
    (run_id,) = run_watchdog()["started_runs"]
    assert _get_slots(cloud) == {run_id}


def test_run_that_cannot_be_started_releases_its_slot(
    cloud: Cloud, uploader: Uploader, monkeypatch: pytest.MonkeyPatch
) -> None:
    *first, last = uploader.upload_batch("raw/a/")
    receive(*first)
    with monkeypatch.context() as patch:
        fail_calls(patch, "StartExecution")
        with pytest.raises(Exception, match="StartExecution"):
            receive(last)
    assert _get_slots(cloud) == set()
    receive(last)
    assert len(cloud.executions()) == 1


def test_end_of_run_that_is_started_again_is_recorded_by_sweep(
    cloud: Cloud, uploader: Uploader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run was aborted before it recorded its start, and the event about that was lost.

    The crashed invocation that started it is repeated afterward.
    """
    *first, last = uploader.upload_batch("raw/a/")
    receive(*first)
    with monkeypatch.context() as patch:
        crash_after(patch, 13)
        with pytest.raises(Crash):
            receive(last)
    ((run_id, _),) = cloud.executions().items()
    arn = f"{cloud.state_machine_arn.replace(':stateMachine:', ':execution:')}:{run_id}"
    end_execution(arn, "ABORTED")
    receive(last)
    assert list(cloud.batches.get_batch("raw/a/").claimed_runs) == []
    assert run_watchdog()["ended_runs"] == [run_id]
    assert _get_slots(cloud) == set()
    assert [subject for subject, _ in cloud.emails()] == ["Rental KPIs aborted: a"]


def test_claim_time_is_taken_after_the_ledger_was_read(
    cloud: Cloud, uploader: Uploader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another batch is claimed while this one is being claimed: it must not get a later time."""
    *first, last = uploader.upload_batch("raw/a/")
    receive(*first)
    other = uploader.upload_batch("raw/b/")
    operations: list[str] = []

    def claim_other(operation: str, *_: Any) -> None:
        operations.append(operation)
        if operation == "HeadObject" and operations.count("HeadObject") == 4:
            receive(*other)

    watch_calls(monkeypatch, claim_other)
    receive(last)
    claim_times = {name[0]: run["claimed_at"] for name, run in cloud.executions().items()}
    assert str(claim_times["b"]) < str(claim_times["a"])
