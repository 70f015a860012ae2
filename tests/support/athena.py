"""A fake of Athena for tests: its API as boto3 calls it, with real SQL.

The SQL is translated from Athena's dialect to DuckDB's in the same way as on the local cloud, so
SQL that is valid only in DuckDB fails here too. The history tables have the types of the contract
and the partition column of the crawler. The table `published_runs` has the publication records that
are in the bucket when a reader's query runs. Tokens, states, pages, and errors follow the
documentation of Athena; they were not compared with Athena itself.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import boto3
import duckdb
import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError
from botocore.validate import validate_parameters

from contract.datasets import DATASETS
from contract.kpi_tables import KPI_TABLES
from local.extensions.athena.sql import MalformedQueryError, QueryError, translate
from tests.support.aws_calls import Perform, intercept_calls

_PAGE_SIZE = 1000
_SQL_TYPES = {"string": "varchar"}
_RECORD_FIELDS = (
    *("run_id", "batch", "claimed_at", "published_at", "accepted_revenue"),
    *("datasets", "reasons", "warnings"),
    *("previous_run_id", "previous_batch", "previous_expired", "day_changes", "days"),
    *("omitted_days", "rollback_reason"),
)
_CREATE_PUBLISHED_RUNS = """
CREATE OR REPLACE TABLE published_runs (
    run_id varchar, batch varchar, claimed_at varchar, published_at varchar,
    accepted_revenue varchar,
    datasets STRUCT(dataset varchar, read bigint, accepted bigint, rejected bigint)[],
    reasons STRUCT(dataset varchar, reason varchar, rows bigint)[],
    warnings STRUCT(warning varchar, rows bigint)[],
    previous_run_id varchar, previous_batch varchar, previous_expired boolean,
    day_changes STRUCT(change varchar, days bigint, rentals bigint, revenue varchar)[],
    days STRUCT(
        day varchar, change varchar, rentals bigint, revenue varchar,
        rentals_before bigint, revenue_before varchar
    )[],
    omitted_days bigint, rollback_reason varchar
)
"""


@dataclass
class QueryFailure:
    """A failure of the next queries that contain a string.

    Attributes:
        query_text: String that the SQL of the failing queries contains.
        reason: The reason of the state change.
        retryable: Whether Athena marks the failure as retryable.
        state: The final state of the queries.
        times: How many queries fail.
    """

    query_text: str
    reason: str
    retryable: bool = False
    state: str = "FAILED"
    times: int = 1


@dataclass
class Execution:
    """A query that was started. It is unfinished for the first `polls` status requests."""

    request: dict[str, Any]
    polls: int
    failure: QueryFailure | None = None
    rows: list[tuple[Any, ...]] = field(default_factory=list)
    columns: list[tuple[str, str]] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The SQL of the query."""
        return str(self.request["QueryString"])


class FakeAthena:
    """The API of Athena. The names of its methods are the names of the operations.

    Attributes:
        bucket: Name of the bucket with the publication records.
        database: The database with the history tables.
        executions: All executions by ID, in the order in which they were started.
        failures: Failures of the next queries.
        polls: How many status requests find a query unfinished.
    """

    def __init__(self, bucket: str) -> None:
        self.bucket = bucket
        self.database = duckdb.connect()
        self.executions: dict[str, Execution] = {}
        self.failures: list[QueryFailure] = []
        self.polls = 0
        self._tokens: dict[str, str] = {}
        for dataset in DATASETS:
            self._create_history_table(dataset.name, dataset.curated_columns)
        for table in KPI_TABLES:
            self._create_history_table(table.name, table.columns_for(personal_data=True))
        self.database.execute(_CREATE_PUBLISHED_RUNS)

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Handle all calls of boto3 to Athena. Parameters are validated as boto3 does."""

        def call(
            perform: Perform, client: BaseClient, operation: str, arguments: dict[str, Any]
        ) -> Any:
            if client.meta.service_model.service_name != "athena":
                return perform(client, operation, arguments)
            model = client.meta.service_model.operation_model(operation)
            assert model.input_shape
            validate_parameters(arguments, model.input_shape)
            return getattr(self, operation)(arguments)

        intercept_calls(monkeypatch, call)

    def add(self, table: str, run_id: str, rows: Sequence[dict[str, Any]]) -> None:
        """Add rows of a run to a history table. Columns that a row does not name are null."""
        for row in rows:
            names = ", ".join([*row, "run_id"])
            placeholders = ", ".join("?" * (len(row) + 1))
            self.database.execute(
                f"INSERT INTO history_{table} ({names}) VALUES ({placeholders})",  # noqa: S608
                [*row.values(), run_id],
            )

    def query(self, text: str) -> list[tuple[Any, ...]]:
        """Return the rows that a reader's query returns now."""
        self.read_publication_records()
        return self.database.execute(translate(text, (), self.database)).fetchall()

    def read_publication_records(self) -> None:
        """Fill the table `published_runs` with the records that are in the bucket now."""
        self.database.execute(_CREATE_PUBLISHED_RUNS)
        s3 = boto3.client("s3")
        response = s3.list_objects_v2(Bucket=self.bucket, Prefix="published_runs/")
        for entry in response.get("Contents", []):
            text = s3.get_object(Bucket=self.bucket, Key=entry["Key"])["Body"].read().decode()
            for line in text.splitlines():
                record = json.loads(line)
                placeholders = ", ".join("?" * len(_RECORD_FIELDS))
                self.database.execute(
                    f"INSERT INTO published_runs VALUES ({placeholders})",  # noqa: S608
                    [record.get(name) for name in _RECORD_FIELDS],
                )

    def StartQueryExecution(self, arguments: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        request = dict(arguments)
        token = request.pop("ClientRequestToken")
        existing_id = self._tokens.get(token)
        if existing_id is not None:
            if self.executions[existing_id].request != request:
                raise _create_error("InvalidRequestException", "Idempotent parameters do not match")
            return {"QueryExecutionId": existing_id}
        execution = Execution(request, self.polls)
        execution_id = f"query-{len(self.executions) + 1}"
        self._tokens[token] = execution_id
        self.executions[execution_id] = execution
        self._run(execution)
        return {"QueryExecutionId": execution_id}

    def GetQueryExecution(self, arguments: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        execution = self.executions[arguments["QueryExecutionId"]]
        status: dict[str, Any] = {"State": "SUCCEEDED"}
        if execution.polls:
            execution.polls -= 1
            status = {"State": "RUNNING" if execution.polls else "QUEUED"}
        elif execution.failure:
            failure = execution.failure
            status = {"State": failure.state, "StateChangeReason": failure.reason}
            if failure.state == "FAILED":
                status["AthenaError"] = {"ErrorCategory": 2, "Retryable": failure.retryable}
        return {"QueryExecution": {"Status": status}}

    def GetQueryResults(self, arguments: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        execution = self.executions[arguments["QueryExecutionId"]]
        names = [name for name, _ in execution.columns]
        rows = [tuple(names), *execution.rows]
        start = int(arguments.get("NextToken", 0))
        info = [{"Name": name, "Type": type_} for name, type_ in execution.columns]
        page: dict[str, Any] = {
            "ResultSet": {
                "Rows": [
                    {"Data": [{} if v is None else {"VarCharValue": str(v)} for v in row]}
                    for row in rows[start : start + _PAGE_SIZE]
                ],
                "ResultSetMetadata": {"ColumnInfo": info},
            }
        }
        if start + _PAGE_SIZE < len(rows):
            page["NextToken"] = str(start + _PAGE_SIZE)
        return page

    def _run(self, execution: Execution) -> None:
        for failure in self.failures:
            if failure.times and failure.query_text in execution.text:
                failure.times -= 1
                execution.failure = failure
                return
        try:
            parameters = execution.request.get("ExecutionParameters", [])
            result = self.database.execute(translate(execution.text, parameters, self.database))
        except (duckdb.Error, MalformedQueryError, QueryError) as error:
            execution.failure = QueryFailure("", f"SYNTAX_ERROR: {error}")
            return
        execution.columns = [
            (name, _get_athena_type(type_)) for name, type_, *_ in result.description
        ]
        execution.rows = result.fetchall()

    def _create_history_table(self, table: str, columns: Sequence[tuple[str, str]]) -> None:
        types = ", ".join(f"{name} {_SQL_TYPES.get(type_, type_)}" for name, type_ in columns)
        self.database.execute(f"CREATE TABLE history_{table} ({types}, run_id varchar)")


def _get_athena_type(duckdb_type: Any) -> str:
    name = str(duckdb_type).lower().partition("(")[0]
    return {"hugeint": "bigint"}.get(name, name)


def _create_error(code: str, message: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "Athena")
