"""Queries through Athena: each started once, waited for, retried where that helps, read whole."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_result,
    stop_after_attempt,
    wait_exponential,
    wait_exponential_jitter,
    wait_random,
)

from pipeline.aws.clients import error_code
from pipeline.errors import QueryFailedError, RetryableError

if TYPE_CHECKING:
    from types_boto3_athena import AthenaClient
    from types_boto3_athena.type_defs import QueryExecutionStatusTypeDef

_ATTEMPTS = 4
# What the rest of the function's work and the pause between two attempts need.
_MARGIN_SECONDS = 20
_GOING_ON = {"QUEUED", "RUNNING"}
# Another run replaced the same view at the same time: the catalogue's words for it, which Athena
# does not call retryable. The view's text is the same, so the next attempt ends it well.
_MET_ANOTHER = ("ConcurrentModification", "modified concurrently", "AlreadyExists")
_NUMBERS = {"tinyint", "smallint", "integer", "bigint", "decimal", "double", "float", "real"}


@dataclass(frozen=True)
class Query:
    """SQL with a name; `parameters` are the texts that its question marks stand for, in order."""

    name: str
    text: str
    parameters: tuple[str, ...] = ()


@dataclass(frozen=True)
class ResultColumn:
    """A column of an answer; `type` in Athena's words, such as `decimal`."""

    name: str
    type: str

    @property
    def is_number(self) -> bool:
        return self.type in _NUMBERS


@dataclass(frozen=True)
class QueryResult:
    """What a query found: values as Athena writes them, null as None, no number rounded."""

    columns: tuple[ResultColumn, ...]
    rows: tuple[tuple[str | None, ...], ...]

    @property
    def records(self) -> list[dict[str, str | None]]:
        """The rows, each by the columns' names."""
        names = [column.name for column in self.columns]
        return [dict(zip(names, row, strict=True)) for row in self.rows]


class QueryRunner:
    """Runs queries on behalf of one run, in one database and workgroup of Athena.

    Each query is started with a client request token that is derived from the run, the query, and
    the number of the attempt. A retry of the whole function therefore finds the queries that an
    earlier invocation started, running or completed, and starts none of them twice.
    """

    def __init__(
        self,
        athena: AthenaClient,
        database: str,
        workgroup: str,
        run_id: str,
        remaining_ms: Callable[[], int],
    ) -> None:
        """Create a runner.

        Args:
            athena: The client of Athena.
            database: Name of the database that the queries read.
            workgroup: Name of the workgroup that runs the queries.
            run_id: ID of the run that the queries belong to.
            remaining_ms: Returns the remaining time of the function in milliseconds.
        """
        self._athena = athena
        self._database = database
        self._workgroup = workgroup
        self._run_id = run_id
        self._remaining_ms = remaining_ms
        self._started: dict[str, str] = {}

    def fetch(self, queries: Sequence[Query]) -> list[QueryResult]:
        """Run the queries as `run` does, and read each one's whole answer."""
        found = zip(queries, self.run(queries), strict=True)
        return [self._answer(query, execution_id) for query, execution_id in found]

    def run(self, queries: Sequence[Query]) -> list[str]:
        """Run the queries side by side; the ids of their executions, which all succeeded.

        QueryFailedError with Athena's reason; RetryableError when the time is nearly over.
        """
        for query in queries:
            self._start(query, 1)
        return [self._success(query) for query in queries]

    def _success(self, query: Query) -> str:
        numbers = itertools.count(1)
        attempts = Retrying(
            retry=retry_if_result(lambda ended: _may_pass(ended[1])),
            wait=wait_exponential_jitter(multiplier=1, max=5),
            stop=stop_after_attempt(_ATTEMPTS),
            retry_error_callback=_last_result,
        )
        execution_id, status = attempts(lambda: self._attempt(query, next(numbers)))
        if status["State"] != "SUCCEEDED":
            reason = status.get("StateChangeReason", "no reason was given")
            raise QueryFailedError(
                f"query {query.name} ({execution_id}) ended {status['State']}: {reason}"
            )
        return execution_id

    def _attempt(self, query: Query, number: int) -> tuple[str, QueryExecutionStatusTypeDef]:
        execution_id = self._start(query, number)
        polls = Retrying(
            retry=retry_if_result(lambda status: status["State"] in _GOING_ON),
            wait=wait_exponential(multiplier=0.2, max=5) + wait_random(0, 0.2),
            stop=self._has_no_time_for,
            retry_error_callback=_last_result,
        )
        status = polls(lambda: self._status(query, execution_id))
        if status["State"] in _GOING_ON:
            raise RetryableError(
                f"query {query.name} ({execution_id}) is still {status['State']} and the"
                " function's time is nearly over"
            )
        return execution_id, status

    def _has_no_time_for(self, state: RetryCallState) -> bool:
        return self._remaining_ms() / 1000 - state.upcoming_sleep < _MARGIN_SECONDS

    def _start(self, query: Query, attempt: int) -> str:
        request: dict[str, Any] = {
            "QueryString": query.text,
            "QueryExecutionContext": {"Database": self._database},
            "WorkGroup": self._workgroup,
        }
        if query.parameters:
            # Athena puts them into the SQL as they stand, so a text brings its own quotes.
            request["ExecutionParameters"] = [_quoted(text) for text in query.parameters]
        identity = json.dumps([self._run_id, query.name, request, attempt], sort_keys=True)
        token = hashlib.sha256(identity.encode()).hexdigest()
        if token not in self._started:
            with _translated_errors(query):
                started = self._athena.start_query_execution(ClientRequestToken=token, **request)
            self._started[token] = started["QueryExecutionId"]
        return self._started[token]

    def _status(self, query: Query, execution_id: str) -> QueryExecutionStatusTypeDef:
        with _translated_errors(query):
            found = self._athena.get_query_execution(QueryExecutionId=execution_id)
        return found["QueryExecution"]["Status"]

    def _answer(self, query: Query, execution_id: str) -> QueryResult:
        """All pages of a result; its first row repeats the columns' names."""
        columns: tuple[ResultColumn, ...] = ()
        rows: list[tuple[str | None, ...]] = []
        paginator = self._athena.get_paginator("get_query_results")
        with _translated_errors(query):
            for page in paginator.paginate(QueryExecutionId=execution_id):
                result = page["ResultSet"]
                columns = columns or tuple(
                    ResultColumn(column["Name"], column["Type"].lower())
                    for column in result["ResultSetMetadata"]["ColumnInfo"]
                )
                rows += [
                    tuple(value.get("VarCharValue") for value in row["Data"])
                    for row in result["Rows"]
                ]
        return QueryResult(columns, tuple(rows[1:]))


def _may_pass(status: QueryExecutionStatusTypeDef) -> bool:
    if status["State"] != "FAILED":
        return False
    reason = status.get("StateChangeReason", "")
    return status.get("AthenaError", {}).get("Retryable", False) or any(
        words in reason for words in _MET_ANOTHER
    )


def _last_result(state: RetryCallState) -> Any:
    return state.outcome.result() if state.outcome else None


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


@contextmanager
def _translated_errors(query: Query) -> Iterator[None]:
    """What Athena's API refuses, as an error of ours."""
    try:
        yield
    except ClientError as error:
        if error_code(error) == "InvalidRequestException":
            raise QueryFailedError(f"query {query.name}: {error}") from error
        raise
