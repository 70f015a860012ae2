"""Publication after crashes and retries, and of several runs at the same time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import boto3
import pytest

from pipeline.errors import RetryableError
from pipeline.ledger.batch import Run
from pipeline.publication.day_changes import DayChanges
from pipeline.publication.pointer import publish_run
from pipeline.publication.publication_records import PublicationRecords
from tests.functional.conftest import Cloud
from tests.support.athena import FakeAthena
from tests.support.aws_calls import Crash, crash_after, serialize_calls, watch_calls
from tests.support.publishing import EARLIER_CLAIM, publish, read_publication_objects
from tests.support.retry_clock import RetryClock
from tests.support.runs import CLAIMED_AT, RUN_ID, create_transformation_report, finish_run

CALLS = [
    *["GetObject"] * 2,  # the job reports
    *["StartQueryExecution"] * 9,  # the views
    *["GetQueryExecution"] * 9,
    "StartQueryExecution",  # the row counts
    "GetQueryExecution",
    "GetQueryResults",
    *["StartQueryExecution"] * 7,  # the questions
    *["GetQueryExecution"] * 7,
    *["GetQueryResults"] * 7,
    "PutObject",  # the answers
    "GetItem",  # the pointer
    "ListObjectsV2",  # the run that readers see
    "StartQueryExecution",  # the days that differ from that run
    "GetQueryExecution",
    "GetQueryResults",
    "ListObjectsV2",  # the times of the publication records
    "UpdateItem",
    "PutObject",  # the publication record
    "GetObject",
    "PutObject",  # the email
    "PutItem",  # the notification
    "Publish",
    "UpdateItem",
]
# The first and the last call of each sequence of equal calls, counted from 1.
SEQUENCE_ENDS = [
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


def test_list_of_calls_is_complete(
    cloud: Cloud, athena: FakeAthena, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish_run(cloud, athena)
    operations: list[str] = []
    watch_calls(monkeypatch, lambda operation, *_: operations.append(operation))
    publish()
    assert operations == CALLS


@pytest.mark.parametrize("number", SEQUENCE_ENDS)
def test_retry_succeeds_after_crash_at_any_call(
    cloud: Cloud, athena: FakeAthena, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    finish_run(cloud, athena)
    with monkeypatch.context() as crashing:
        operations = crash_after(crashing, number)
        with pytest.raises(Crash):
            # The retry waits until the time of the crashed invocation is over.
            publish(remaining_ms=200)
    was_email_sent = operations[-1] == "Publish"
    response = publish()
    record_key, *reports = list(read_publication_objects(cloud))
    assert response == {"status": "PUBLISHED", "record_key": record_key}
    assert reports == [f"reports/{RUN_ID}/answers.json", f"reports/{RUN_ID}/email.txt"]
    # After a crash between sending and recording, the email is sent twice rather than never.
    assert len(cloud.emails()) == 1 + was_email_sent
    assert len(athena.executions) == 18
    assert athena.query("SELECT COUNT(*) FROM rentals") == [(3,)]


def test_later_run_is_published_after_crash_before_publication_record(
    cloud: Cloud, athena: FakeAthena, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first run had the pointer, but readers never saw it. It must not be published later."""
    RetryClock().install(monkeypatch)
    finish_run(cloud, athena, "first")
    finish_run(cloud, athena, "second")
    with monkeypatch.context() as crashing:
        crash_after(crashing, CALLS.index("UpdateItem") + 1)
        with pytest.raises(Crash):
            publish("first", EARLIER_CLAIM)
    assert list(read_publication_objects(cloud)) == ["reports/first/answers.json"]
    assert publish("second")["status"] == "PUBLISHED"
    assert publish("first", EARLIER_CLAIM) == {"status": "SUPERSEDED", "record_key": None}
    records = read_publication_objects(cloud)
    assert [text for key, text in records.items() if "first.json" in key] == [""]
    subject, body = cloud.emails()[1]
    assert subject.startswith("Rental KPIs superseded: ")
    assert "Readers do not see this run" in body


@pytest.mark.parametrize("seed", range(3))
def test_last_claimed_of_eight_concurrent_runs_is_published(
    cloud: Cloud, athena: FakeAthena, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    serialize_calls(monkeypatch)
    runs = [f"run-{seed}-{number}" for number in range(8)]
    for number, run_id in enumerate(runs):
        finish_run(cloud, athena, run_id, average=f"{number}.00")
    claim_times = [f"2026-11-23T08:00:0{number}.000000Z" for number in range(8)]
    with ThreadPoolExecutor(8) as threads:
        responses = list(
            threads.map(publish, runs[seed:] + runs[:seed], claim_times[seed:] + claim_times[:seed])
        )
    averages = athena.query("SELECT DISTINCT average_transaction FROM user_metrics")
    assert [str(average) for (average,) in averages] == ["7.00"]
    record_keys = [response["record_key"] for response in responses if response["record_key"]]
    records = [
        key for key in list(read_publication_objects(cloud)) if key.startswith("published_runs/")
    ]
    assert sorted(record_keys) == records
    assert records[-1].endswith(f"{runs[7]}.json")
    assert len(cloud.emails()) == 8


def test_pointer_that_other_runs_keep_moving_is_retryable(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.publication.pointer.LedgerTable.update", lambda *_, **__: False)
    with pytest.raises(RetryableError, match="other runs moved it during each of 10 attempts"):
        publish_run(
            cloud.ledger,
            PublicationRecords(boto3.client("s3"), cloud.bucket),
            Run(RUN_ID, "raw/x/", CLAIMED_AT, ()),
            create_transformation_report(),
            lambda _: DayChanges(),
        )


def test_retry_continues_queries_after_timeout(
    cloud: Cloud, athena: FakeAthena, monkeypatch: pytest.MonkeyPatch
) -> None:
    RetryClock().install(monkeypatch)
    finish_run(cloud, athena)
    athena.polls = 5
    with pytest.raises(RetryableError):
        publish(remaining_ms=10_000)
    assert cloud.emails() == []
    started_queries = list(athena.executions)
    assert publish()["status"] == "PUBLISHED"
    assert list(athena.executions)[: len(started_queries)] == started_queries
    assert len(athena.executions) == 18
