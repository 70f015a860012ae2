"""Queries in Athena: each is started once, and retried after temporary failures."""

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
    wait_random,
    wait_random_exponential,
)

from pipeline.aws.clients import error_code
from pipeline.errors import QueryFailedError, RetryableError

if TYPE_CHECKING:
    from types_boto3_athena import AthenaClient
    from types_boto3_athena.type_defs import QueryExecutionStatusTypeDef

# Runs that end at the same time replace the same views, so some attempts of each may fail.
_ATTEMPTS = 12
# Time for the rest of the function, and for the wait between two attempts.
_RESERVED_SECONDS = 20
# A result is read into the memory of the function.
_MAX_ROWS = 10_000
_MAX_CHARACTERS = 10_000_000
_UNFINISHED_STATES = {"QUEUED", "RUNNING"}
# Messages of the Glue Data Catalog when another run replaced the same view at the same time. Athena
# does not mark these failures as retryable. Both runs write the same view, so a retry succeeds.
_CONFLICT_MESSAGES = ("ConcurrentModification", "modified concurrently", "AlreadyExists")
_NUMERIC_TYPES = {"tinyint", "smallint", "integer", "bigint", "decimal", "double", "float", "real"}


@dataclass(frozen=True)
class Query:
    """A named query.

    Attributes:
        name: Name of the query, for error messages.
        text: SQL in Athena's dialect.
        parameters: Text values of the question marks in the SQL, in order.
    """

    name: str
    text: str
    parameters: tuple[str, ...] = ()


@dataclass(frozen=True)
class ResultColumn:
    """A column of a query result: its name, and its type in Athena, such as `decimal`."""

    name: str
    type: str

    @property
    def is_number(self) -> bool:
        """Whether the values of the column are numbers."""
        return self.type in _NUMERIC_TYPES


@dataclass(frozen=True)
class QueryResult:
    """The result of a query.

    Attributes:
        columns: The columns.
        rows: The values of each row as Athena formats them: numbers are exact, and null is None.
    """

    columns: tuple[ResultColumn, ...]
    rows: tuple[tuple[str | None, ...], ...]

    @property
    def records(self) -> list[dict[str, str | None]]:
        """The rows as dictionaries by column name."""
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
            athena: The Athena client.
            database: Name of the database that the queries use.
            workgroup: Name of the workgroup that runs the queries.
            run_id: ID of the run that the queries belong to.
            remaining_ms: Returns the remaining time of the function in milliseconds.
        """
        self._athena = athena
        self._database = database
        self._workgroup = workgroup
        self._run_id = run_id
        self._remaining_ms = remaining_ms
        self._execution_ids: dict[str, str] = {}  # by client request token

    def fetch(self, queries: Sequence[Query]) -> list[QueryResult]:
        """Run queries in parallel and return their results.

        Args:
            queries: The queries to run.

        Returns:
            The complete result of each query.

        Raises:
            QueryFailedError: A query failed or was canceled, or its result is too large.
            RetryableError: A query is still running, and the function is about to time out.
        """
        execution_ids = self.run(queries)
        return [
            self._read_result(query, execution_id)
            for query, execution_id in zip(queries, execution_ids, strict=True)
        ]

    def run(self, queries: Sequence[Query]) -> list[str]:
        """Run queries in parallel until all have succeeded.

        Args:
            queries: The queries to run.

        Returns:
            The ID of the successful execution of each query.

        Raises:
            QueryFailedError: A query failed or was canceled.
            RetryableError: A query is still running, and the function is about to time out.
        """
        for query in queries:
            self._start(query, 1)
        return [self._wait_for_success(query) for query in queries]

    def _wait_for_success(self, query: Query) -> str:
        attempt_numbers = itertools.count(1)
        retrying = Retrying(
            retry=retry_if_result(lambda result: _is_retryable(result[1])),
            wait=wait_random_exponential(multiplier=1, max=10),
            stop=stop_after_attempt(_ATTEMPTS),
            retry_error_callback=_get_last_result,
        )
        execution_id, status = retrying(lambda: self._run_attempt(query, next(attempt_numbers)))
        if status["State"] != "SUCCEEDED":
            reason = status.get("StateChangeReason", "no reason was given")
            raise QueryFailedError(
                f"query {query.name} ({execution_id}) ended with the status {status['State']}:"
                f" {reason}"
            )
        return execution_id

    def _run_attempt(self, query: Query, attempt: int) -> tuple[str, QueryExecutionStatusTypeDef]:
        execution_id = self._start(query, attempt)
        polling = Retrying(
            retry=retry_if_result(lambda status: status["State"] in _UNFINISHED_STATES),
            wait=wait_exponential(multiplier=0.2, max=5) + wait_random(0, 0.2),
            stop=self._is_out_of_time,
            retry_error_callback=_get_last_result,
        )
        status = polling(lambda: self._get_status(query, execution_id))
        if status["State"] in _UNFINISHED_STATES:
            raise RetryableError(
                f"query {query.name} ({execution_id}) is still {status['State']}, and the function"
                " is about to time out"
            )
        return execution_id, status

    def _is_out_of_time(self, state: RetryCallState) -> bool:
        return self._remaining_ms() / 1000 - state.upcoming_sleep < _RESERVED_SECONDS

    def _start(self, query: Query, attempt: int) -> str:
        request: dict[str, Any] = {
            "QueryString": query.text,
            "QueryExecutionContext": {"Database": self._database},
            "WorkGroup": self._workgroup,
        }
        if query.parameters:
            # Athena inserts them into the SQL unchanged, so a string needs quotes.
            request["ExecutionParameters"] = [_quote(text) for text in query.parameters]
        identity = json.dumps([self._run_id, query.name, request, attempt], sort_keys=True)
        token = hashlib.sha256(identity.encode()).hexdigest()
        if token not in self._execution_ids:
            with _translated_errors(query):
                response = self._athena.start_query_execution(ClientRequestToken=token, **request)
            self._execution_ids[token] = response["QueryExecutionId"]
        return self._execution_ids[token]

    def _get_status(self, query: Query, execution_id: str) -> QueryExecutionStatusTypeDef:
        with _translated_errors(query):
            response = self._athena.get_query_execution(QueryExecutionId=execution_id)
        return response["QueryExecution"]["Status"]

    def _read_result(self, query: Query, execution_id: str) -> QueryResult:
        columns: tuple[ResultColumn, ...] = ()
        rows: list[tuple[str | None, ...]] = []
        characters = 0
        paginator = self._athena.get_paginator("get_query_results")
        with _translated_errors(query):
            for page in paginator.paginate(QueryExecutionId=execution_id):
                result = page["ResultSet"]
                columns = columns or tuple(
                    ResultColumn(column["Name"], column["Type"].lower())
                    for column in result["ResultSetMetadata"]["ColumnInfo"]
                )
                page_rows = [
                    tuple(value.get("VarCharValue") for value in row["Data"])
                    for row in result["Rows"]
                ]
                rows += page_rows
                characters += sum(len(value or "") for row in page_rows for value in row)
                if len(rows) > _MAX_ROWS or characters > _MAX_CHARACTERS:
                    raise QueryFailedError(
                        f"query {query.name} ({execution_id}) returned more than {_MAX_ROWS:,} rows"
                        f" or {_MAX_CHARACTERS:,} characters: add a LIMIT"
                    )
        return QueryResult(columns, tuple(rows[1:]))  # the first row contains the column names


def _is_retryable(status: QueryExecutionStatusTypeDef) -> bool:
    if status["State"] != "FAILED":
        return False
    reason = status.get("StateChangeReason", "")
    return status.get("AthenaError", {}).get("Retryable", False) or any(
        message in reason for message in _CONFLICT_MESSAGES
    )


def _get_last_result(state: RetryCallState) -> Any:
    return state.outcome.result() if state.outcome else None


def _quote(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


@contextmanager
def _translated_errors(query: Query) -> Iterator[None]:
    """Raise QueryFailedError for a request that Athena rejects as invalid. Other errors pass."""
    try:
        yield
    except ClientError as error:
        if error_code(error) == "InvalidRequestException":
            raise QueryFailedError(f"query {query.name}: {error}") from error
        raise
