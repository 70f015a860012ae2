"""The query runner: it waits for queries, retries them, and reads their results."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from pipeline.aws.athena import Query, QueryRunner
from pipeline.errors import QueryFailedError, RetryableError
from tests.functional.conftest import Cloud
from tests.support.athena import FakeAthena, QueryFailure
from tests.support.aws_calls import fail_calls
from tests.support.retry_clock import RetryClock

QUERY = Query("one", "SELECT 1 AS number")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> RetryClock:
    return RetryClock().install(monkeypatch)


@pytest.fixture
def fake(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> FakeAthena:
    fake = FakeAthena(cloud.bucket)
    fake.install(monkeypatch)
    return fake


def _create_runner(
    clock: RetryClock,
    run_id: str = "run",
    database: str = "rental_kpi",
    remaining_ms: int = 300_000,
) -> QueryRunner:
    deadline = clock.now + remaining_ms / 1000

    def get_remaining_ms() -> int:
        return int(1000 * (deadline - clock.now))

    return QueryRunner(boto3.client("athena"), database, "rental-kpi", run_id, get_remaining_ms)


def test_waits_become_longer(fake: FakeAthena, clock: RetryClock) -> None:
    fake.polls = 12
    (result,) = _create_runner(clock).fetch([QUERY])
    assert result.rows == (("1",),)
    assert len(clock.waits) == 12
    assert clock.waits[0] < 0.5 < clock.waits[3] < clock.waits[6] < 6
    assert max(clock.waits) < 6


def test_queries_run_in_parallel(fake: FakeAthena, clock: RetryClock) -> None:
    """All queries are started before the first status request."""
    fake.polls = 2
    started_counts = []
    get_status = fake.GetQueryExecution

    def count_and_get_status(arguments: dict[str, Any]) -> dict[str, Any]:
        started_counts.append(len(fake.executions))
        return get_status(arguments)

    fake.GetQueryExecution = count_and_get_status  # type: ignore[method-assign]
    _create_runner(clock).run([Query(f"q{n}", f"SELECT {n}") for n in range(3)])
    assert started_counts[0] == 3


@pytest.mark.usefixtures("fake")
def test_result_has_rows_of_every_page_without_header(clock: RetryClock) -> None:
    text = "SELECT n, CAST(n AS varchar) AS name FROM UNNEST(SEQUENCE(1, 2500)) AS t (n)"
    (result,) = _create_runner(clock).fetch([Query("many", text)])
    assert [row[0] for row in result.rows] == [str(n) for n in range(1, 2501)]
    assert [(column.name, column.is_number) for column in result.columns] == [
        ("n", True),
        ("name", False),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "SELECT n FROM UNNEST(SEQUENCE(1, 10001)) AS t (n)",
        "SELECT RPAD('', 100000, 'x') AS text FROM UNNEST(SEQUENCE(1, 101)) AS t (n)",
    ],
)
@pytest.mark.usefixtures("fake")
def test_result_that_is_too_large_is_not_read_completely(clock: RetryClock, text: str) -> None:
    with pytest.raises(
        QueryFailedError, match=r"query large \(.+\) returned more than 10,000 rows"
    ):
        _create_runner(clock).fetch([Query("large", text)])


@pytest.mark.usefixtures("fake")
def test_result_without_rows_and_result_with_null(clock: RetryClock) -> None:
    no_rows = Query("no rows", "SELECT 1 AS a WHERE 1 = 0")
    null = Query("null", "SELECT CAST(NULL AS varchar) AS a, '' AS b")
    empty, single = _create_runner(clock).fetch([no_rows, null])
    assert (empty.rows, empty.records) == ((), [])
    assert single.records == [{"a": None, "b": ""}]


@pytest.mark.parametrize("text", ["plain", "it's", "a ' OR 1 = 1 --", "?"])
@pytest.mark.usefixtures("fake")
def test_parameter_is_always_a_value(clock: RetryClock, text: str) -> None:
    (result,) = _create_runner(clock).fetch([Query("echo", "SELECT ? AS a, ? AS b", (text, "b"))])
    assert result.rows == ((text, "b"),)


def test_repeated_invocation_does_not_start_query_again(
    fake: FakeAthena, clock: RetryClock
) -> None:
    first, second = _create_runner(clock).run([QUERY]), _create_runner(clock).run([QUERY])
    assert first == second
    assert len(fake.executions) == 1


@pytest.mark.parametrize(
    ("changes", "query"),
    [
        ({"run_id": "other"}, QUERY),
        ({"database": "other"}, QUERY),
        ({}, Query("other", QUERY.text)),
        ({}, Query("one", "SELECT 2")),
    ],
)
def test_different_query_is_started(
    fake: FakeAthena, clock: RetryClock, changes: dict[str, Any], query: Query
) -> None:
    _create_runner(clock).run([QUERY])
    try:
        _create_runner(clock, **changes).run([query])
    except QueryFailedError:
        pytest.fail("the token of another query was used")
    assert len(fake.executions) == 2


def test_query_with_other_parameter_is_started(fake: FakeAthena, clock: RetryClock) -> None:
    for text in ("x", "y"):
        _create_runner(clock).run([Query("echo", "SELECT ?", (text,))])
    assert len(fake.executions) == 2


def test_retryable_failure_is_retried(fake: FakeAthena, clock: RetryClock) -> None:
    fake.failures = [QueryFailure("SELECT 1", "exhausted resources", retryable=True, times=2)]
    (result,) = _create_runner(clock).fetch([QUERY])
    assert result.rows == (("1",),)
    assert len(fake.executions) == 3
    # Another invocation finds the same three executions, and does not start a fourth one.
    assert _create_runner(clock).run([QUERY]) == ["query-3"]
    assert len(fake.executions) == 3


def test_retryable_failure_is_raised_after_last_attempt(
    fake: FakeAthena, clock: RetryClock
) -> None:
    fake.failures = [QueryFailure("SELECT 1", "exhausted resources", retryable=True, times=99)]
    with pytest.raises(QueryFailedError, match="ended with the status FAILED: exhausted resources"):
        _create_runner(clock).run([QUERY])
    assert len(fake.executions) == 12
    assert len(clock.waits) == 11


@pytest.mark.parametrize(
    "failure",
    [
        QueryFailure("SELECT", "SYNTAX_ERROR: line 1"),
        QueryFailure("SELECT", "stopped by a user", state="CANCELLED"),
        QueryFailure("SELECT", "stopped by a user", state="CANCELLED", retryable=True),
    ],
    ids=lambda failure: f"{failure.state} {failure.retryable}",
)
def test_other_failure_is_not_retried(
    fake: FakeAthena, clock: RetryClock, failure: QueryFailure
) -> None:
    fake.failures = [failure]
    with pytest.raises(QueryFailedError) as raised:
        _create_runner(clock).run([QUERY])
    result = f"ended with the status {failure.state}: {failure.reason}"
    assert str(raised.value) == f"query one (query-1) {result}"
    assert len(fake.executions) == 1


@pytest.mark.parametrize(
    "reason",
    [
        "ConcurrentModificationException: Update table failed due to concurrent modifications",
        "Table being modified concurrently.",
        "AlreadyExistsException: Table users already exists",
    ],
)
def test_conflict_with_another_run_is_retried(
    fake: FakeAthena, clock: RetryClock, reason: str
) -> None:
    fake.failures = [QueryFailure("VIEW", reason)]
    _create_runner(clock).run([Query("view", "CREATE OR REPLACE VIEW one AS SELECT 1 AS number")])
    assert len(fake.executions) == 2


def test_next_invocation_continues_after_timeout(fake: FakeAthena, clock: RetryClock) -> None:
    fake.polls = 30
    with pytest.raises(RetryableError, match=r"query one \(query-1\) is still"):
        _create_runner(clock, remaining_ms=60_000).run([QUERY])
    assert 30 < clock.now < 45
    assert _create_runner(clock).run([QUERY]) == ["query-1"]


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
def test_invalid_request_fails_and_other_api_errors_pass(
    clock: RetryClock,
    monkeypatch: pytest.MonkeyPatch,
    operation: str,
    code: str,
    expected: type[Exception],
) -> None:
    fail_calls(monkeypatch, operation, code=code, message="message")
    with pytest.raises(expected, match="message"):
        _create_runner(clock).fetch([QUERY])
