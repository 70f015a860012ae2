"""Crashes, retries and runs at the same time come to one pointer and one mail a run."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from pipeline.errors import RetryableError
from pipeline.ledger.batch import Run
from pipeline.publication.pointer import claim_pointer
from tests.functional.conftest import Cloud
from tests.support.athena import FakeAthena
from tests.support.aws_calls import Crash, crash_after, serialize_calls, watch_calls
from tests.support.publishing import EARLIER, publish, published
from tests.support.runs import CLAIMED_AT, RUN, finish_run

CALLS = [
    *["GetObject"] * 2,  # the reports
    *["StartQueryExecution"] * 9,  # the views
    *["GetQueryExecution"] * 9,
    "StartQueryExecution",  # the row counts
    "GetQueryExecution",
    "GetQueryResults",
    *["StartQueryExecution"] * 5,  # the questions
    *["GetQueryExecution"] * 5,
    *["GetQueryResults"] * 5,
    "PutObject",  # answers
    "GetItem",
    "UpdateItem",
    "PutObject",  # pointer
    "PutObject",  # email
    "PutItem",
    "Publish",
    "UpdateItem",
]
# The first and the last of the same calls in a row, counted from 1.
ENDS = [
    number
    for number, (before, call, after) in enumerate(
        zip(["", *CALLS], CALLS, [*CALLS[1:], ""], strict=False), start=1
    )
    if not before == call == after
]


@pytest.fixture
def athena(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> FakeAthena:
    fake = FakeAthena(cloud.bucket)
    fake.install(monkeypatch)
    return fake


def test_the_calls_are_those_that_are_crashed_after(
    cloud: Cloud, athena: FakeAthena, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish_run(cloud, athena)
    made: list[str] = []
    watch_calls(monkeypatch, lambda operation, *_: made.append(operation))
    publish()
    assert made == CALLS


@pytest.mark.parametrize("number", ENDS)
def test_a_crash_after_any_call_and_a_retry_come_to_the_same_end(
    cloud: Cloud, athena: FakeAthena, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    finish_run(cloud, athena)
    with monkeypatch.context() as crashing:
        made = crash_after(crashing, number)
        with pytest.raises(Crash):
            # It is known to be dead when its time is over, so it has little.
            publish(remaining_ms=200)
    is_told_already = made[-1] == "Publish"
    answer = publish()
    pointer, *reports = list(published(cloud))
    assert answer == {"status": "PUBLISHED", "pointer": pointer}
    assert reports == [f"reports/{RUN}/answers.json", f"reports/{RUN}/email.txt"]
    # Died between SNS's answer and the note of it: told twice rather than never.
    assert len(cloud.emails()) == 1 + is_told_already
    assert len(athena.executions) == 15
    assert athena.query("SELECT COUNT(*) FROM rentals") == [(3,)]


def test_a_crash_before_the_object_and_a_later_run_between(
    cloud: Cloud, athena: FakeAthena, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first had the pointer, but was never shown; it must not come back."""
    finish_run(cloud, athena, "first")
    finish_run(cloud, athena, "second")
    with monkeypatch.context() as crashing:
        crash_after(crashing, CALLS.index("UpdateItem") + 1)
        with pytest.raises(Crash):
            publish("first", EARLIER)
    assert list(published(cloud)) == ["reports/first/answers.json"]
    assert publish("second")["status"] == "PUBLISHED"
    assert publish("first", EARLIER) == {"status": "SUPERSEDED", "pointer": None}
    assert [key for key in list(published(cloud)) if "first.json" in key] == []
    assert "the files of second were complete later" in cloud.emails()[1][1]


@pytest.mark.parametrize("seed", range(3))
def test_eight_runs_at_once_show_the_one_claimed_last(
    cloud: Cloud, athena: FakeAthena, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    serialize_calls(monkeypatch)
    runs = [f"run-{seed}-{number}" for number in range(8)]
    for number, run_id in enumerate(runs):
        finish_run(cloud, athena, run_id, average=f"{number}.00")
    claimed = [f"2026-11-23T08:00:0{number}.000000Z" for number in range(8)]
    with ThreadPoolExecutor(8) as threads:
        answers = list(
            threads.map(publish, runs[seed:] + runs[:seed], claimed[seed:] + claimed[:seed])
        )
    averages = athena.query("SELECT DISTINCT average_transaction FROM user_metrics")
    assert [str(average) for (average,) in averages] == ["7.00"]
    pointers = [answer["pointer"] for answer in answers if answer["pointer"]]
    shown = [key for key in list(published(cloud)) if key.startswith("published_runs/")]
    assert sorted(pointers) == shown
    assert shown[-1].endswith(f"{runs[7]}.json")
    assert len(cloud.emails()) == 8


def test_a_pointer_that_others_keep_moving_is_tried_later(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.publication.pointer.LedgerTable.update", lambda *_, **__: False)
    with pytest.raises(RetryableError, match="moved by others"):
        claim_pointer(cloud.ledger, Run(RUN, "raw/x/", CLAIMED_AT, ()))


def test_little_time_is_told_so_and_the_retry_carries_on(
    cloud: Cloud, athena: FakeAthena, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tenacity.nap.time.sleep", lambda _: None)
    finish_run(cloud, athena)
    athena.polls = 5
    with pytest.raises(RetryableError):
        publish(remaining_ms=10_000)
    assert cloud.emails() == []
    started = list(athena.executions)
    assert publish()["status"] == "PUBLISHED"
    assert list(athena.executions)[: len(started)] == started
    assert len(athena.executions) == 15
