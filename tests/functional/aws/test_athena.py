"""Waiting for Athena, trying again, reading pages: what one function does with its queries."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError

from pipeline.aws.athena import Query, QueryRunner
from pipeline.errors import QueryFailedError, RetryableError
from tests.functional.conftest import Cloud
from tests.support.athena import FakeAthena, QueryFailure

ONE = Query("one", "SELECT 1 AS number")
PLENTY_MS = 300_000


class Clock:
    """A function's time, which passes only where the function sleeps."""

    def __init__(self) -> None:
        self.remaining_ms: float = PLENTY_MS
        self.naps: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        self.remaining_ms -= 1000 * seconds

    def remaining(self) -> int:
        return int(self.remaining_ms)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr("tenacity.nap.time.sleep", made.sleep)
    return made


@pytest.fixture
def fake(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> FakeAthena:
    made = FakeAthena(cloud.bucket)
    made.install(monkeypatch)
    return made


def _runner(clock: Clock, run_id: str = "run", database: str = "rental_kpi") -> QueryRunner:
    return QueryRunner(boto3.client("athena"), database, "rental-kpi", run_id, clock.remaining)


def test_it_waits_longer_and_longer(fake: FakeAthena, clock: Clock) -> None:
    fake.polls = 12
    (answer,) = _runner(clock).fetch([ONE])
    assert answer.rows == (("1",),)
    assert len(clock.naps) == 12
    assert clock.naps[0] < 0.5 < clock.naps[3] < clock.naps[6] < 6
    assert max(clock.naps) < 6


def test_queries_run_side_by_side(fake: FakeAthena, clock: Clock) -> None:
    """All are started before the first is waited for."""
    fake.polls = 2
    seen = []
    status = fake.GetQueryExecution

    def watched(arguments: dict[str, Any]) -> dict[str, Any]:
        seen.append(len(fake.executions))
        return status(arguments)

    fake.GetQueryExecution = watched  # type: ignore[method-assign]
    _runner(clock).run([Query(f"q{n}", f"SELECT {n}") for n in range(3)])
    assert seen[0] == 3


@pytest.mark.usefixtures("fake")
def test_every_page_is_read_and_the_header_left_out_once(clock: Clock) -> None:
    text = "SELECT n, CAST(n AS varchar) AS name FROM UNNEST(SEQUENCE(1, 2500)) AS t (n)"
    (answer,) = _runner(clock).fetch([Query("many", text)])
    assert [row[0] for row in answer.rows] == [str(n) for n in range(1, 2501)]
    assert [(column.name, column.is_number) for column in answer.columns] == [
        ("n", True),
        ("name", False),
    ]


@pytest.mark.usefixtures("fake")
def test_no_row_and_nulls(clock: Clock) -> None:
    nothing = Query("nothing", "SELECT 1 AS a WHERE 1 = 0")
    null = Query("null", "SELECT CAST(NULL AS varchar) AS a, '' AS b")
    empty, one = _runner(clock).fetch([nothing, null])
    assert (empty.rows, empty.records) == ((), [])
    assert one.records == [{"a": None, "b": ""}]


@pytest.mark.parametrize("text", ["plain", "it's", "a ' OR 1 = 1 --", "?"])
@pytest.mark.usefixtures("fake")
def test_a_parameter_is_a_value_whatever_it_holds(clock: Clock, text: str) -> None:
    (answer,) = _runner(clock).fetch([Query("echo", "SELECT ? AS a, ? AS b", (text, "b"))])
    assert answer.rows == ((text, "b"),)


def test_the_same_query_is_started_once_by_however_many_tries(
    fake: FakeAthena, clock: Clock
) -> None:
    first, again = _runner(clock).run([ONE]), _runner(clock).run([ONE])
    assert first == again
    assert len(fake.executions) == 1


@pytest.mark.parametrize(
    ("athena", "query"),
    [
        ({"run_id": "other"}, ONE),
        ({"database": "other"}, ONE),
        ({}, Query("other", ONE.text)),
        ({}, Query("one", "SELECT 2")),
    ],
)
def test_whatever_differs_is_another_query(
    fake: FakeAthena, clock: Clock, athena: dict[str, str], query: Query
) -> None:
    _runner(clock).run([ONE])
    try:
        _runner(clock, **athena).run([query])
    except QueryFailedError:
        pytest.fail("the token was taken for another query")
    assert len(fake.executions) == 2


def test_another_parameter_makes_another_query(fake: FakeAthena, clock: Clock) -> None:
    for text in ("x", "y"):
        _runner(clock).run([Query("echo", "SELECT ?", (text,))])
    assert len(fake.executions) == 2


def test_what_athena_calls_retryable_is_started_anew(fake: FakeAthena, clock: Clock) -> None:
    fake.failures = [QueryFailure("SELECT 1", "exhausted resources", retryable=True, times=2)]
    (answer,) = _runner(clock).fetch([ONE])
    assert answer.rows == (("1",),)
    assert len(fake.executions) == 3
    # The whole function once more finds the same three, and starts no fourth.
    assert _runner(clock).run([ONE]) == ["query-3"]
    assert len(fake.executions) == 3


def test_it_gives_up_on_what_stays_retryable(fake: FakeAthena, clock: Clock) -> None:
    fake.failures = [QueryFailure("SELECT 1", "exhausted resources", retryable=True, times=99)]
    with pytest.raises(QueryFailedError, match="ended FAILED: exhausted resources"):
        _runner(clock).run([ONE])
    assert len(fake.executions) == 4
    assert len(clock.naps) == 3


@pytest.mark.parametrize(
    "failure",
    [
        QueryFailure("SELECT", "SYNTAX_ERROR: line 1"),
        QueryFailure("SELECT", "somebody stopped it", state="CANCELLED"),
        QueryFailure("SELECT", "somebody stopped it", state="CANCELLED", retryable=True),
    ],
    ids=lambda failure: f"{failure.state} {failure.retryable}",
)
def test_anything_else_is_not_tried_again(
    fake: FakeAthena, clock: Clock, failure: QueryFailure
) -> None:
    fake.failures = [failure]
    with pytest.raises(QueryFailedError) as error:
        _runner(clock).run([ONE])
    assert str(error.value) == f"query one (query-1) ended {failure.state}: {failure.reason}"
    assert len(fake.executions) == 1


@pytest.mark.parametrize(
    "reason",
    [
        "ConcurrentModificationException: Update table failed due to concurrent modifications",
        "Table being modified concurrently.",
        "AlreadyExistsException: Table users already exists",
    ],
)
def test_a_view_that_another_run_replaced_meanwhile_is_replaced_again(
    fake: FakeAthena, clock: Clock, reason: str
) -> None:
    fake.failures = [QueryFailure("VIEW", reason)]
    _runner(clock).run([Query("view", "CREATE OR REPLACE VIEW one AS SELECT 1 AS number")])
    assert len(fake.executions) == 2


def test_the_time_is_over_and_the_next_try_carries_on(fake: FakeAthena, clock: Clock) -> None:
    fake.polls = 30
    clock.remaining_ms = 60_000
    with pytest.raises(RetryableError, match=r"query one \(query-1\) is still"):
        _runner(clock).run([ONE])
    assert 15_000 < clock.remaining_ms < 30_000
    clock.remaining_ms = PLENTY_MS
    assert _runner(clock).run([ONE]) == ["query-1"]


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("InvalidRequestException", QueryFailedError),
        ("AccessDeniedException", ClientError),
    ],
)
@pytest.mark.parametrize(
    "operation", ["StartQueryExecution", "GetQueryExecution", "GetQueryResults"]
)
@pytest.mark.usefixtures("fake")
def test_errors_of_the_api(
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    operation: str,
    code: str,
    expected: type[Exception],
) -> None:
    answered = BaseClient._make_api_call  # type: ignore[attr-defined]

    def call(client: BaseClient, name: str, arguments: dict[str, Any]) -> Any:
        if name == operation:
            raise ClientError({"Error": {"Code": code, "Message": "words"}}, name)
        return answered(client, name, arguments)

    monkeypatch.setattr(BaseClient, "_make_api_call", call)
    with pytest.raises(expected, match="words"):
        _runner(clock).fetch([ONE])
