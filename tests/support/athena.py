"""Athena for tests: its API as boto3 calls it, and real SQL underneath.

The SQL is translated from Athena's dialect into DuckDB's as the local cloud does it, so a query
that only DuckDB would take fails here too. The history tables have the contract's types and the
crawler's partition column. The table `published_runs` is what lies in the bucket at the moment of a
reader's query. Athena's ways - tokens, states, pages, errors - are as its documentation has them;
Athena itself was not asked.
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

PAGE = 1000
_SQL_TYPES = {"string": "varchar"}
_POINTERS = """
CREATE OR REPLACE TABLE published_runs (
    run_id varchar, batch varchar, claimed_at varchar, published_at varchar,
    accepted_revenue varchar,
    datasets STRUCT(dataset varchar, read bigint, accepted bigint, rejected bigint)[],
    reasons STRUCT(dataset varchar, reason varchar, rows bigint)[],
    warnings STRUCT(warning varchar, rows bigint)[]
)
"""


@dataclass
class Failure:
    """How the next executions of queries whose text holds `words` end, `times` times."""

    words: str
    reason: str
    retryable: bool = False
    state: str = "FAILED"
    times: int = 1


@dataclass
class Execution:
    """A query that was started; `polls` is how often it is still going on when asked."""

    request: dict[str, Any]
    polls: int
    failure: Failure | None = None
    rows: list[tuple[Any, ...]] = field(default_factory=list)
    columns: list[tuple[str, str]] = field(default_factory=list)

    @property
    def text(self) -> str:
        return str(self.request["QueryString"])


class FakeAthena:
    """What Athena would answer; `executions` by id, in the order of their starts."""

    def __init__(self, bucket: str) -> None:
        self.bucket = bucket
        self.database = duckdb.connect()
        self.executions: dict[str, Execution] = {}
        self.failures: list[Failure] = []
        self.polls = 0
        self._tokens: dict[str, str] = {}
        for dataset in DATASETS:
            self._make(dataset.name, dataset.curated_columns)
        for table in KPI_TABLES:
            self._make(table.name, table.columns_for(personal_data=True))
        self.database.execute(_POINTERS)

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Answer boto3's calls to Athena from now on; the parameters are checked as boto3 does."""
        original = BaseClient._make_api_call  # type: ignore[attr-defined]

        def call(caller: BaseClient, operation: str, arguments: dict[str, Any]) -> Any:
            if caller.meta.service_model.service_name != "athena":
                return original(caller, operation, arguments)
            model = caller.meta.service_model.operation_model(operation)
            assert model.input_shape
            validate_parameters(arguments, model.input_shape)
            return getattr(self, operation)(arguments)

        monkeypatch.setattr(BaseClient, "_make_api_call", call)

    def add(self, table: str, run_id: str, rows: Sequence[dict[str, Any]]) -> None:
        """Catalogue rows of a run; columns that a row does not name are null."""
        for row in rows:
            names = ", ".join([*row, "run_id"])
            marks = ", ".join("?" * (len(row) + 1))
            self.database.execute(
                f"INSERT INTO history_{table} ({names}) VALUES ({marks})",  # noqa: S608
                [*row.values(), run_id],
            )

    def query(self, text: str) -> list[tuple[Any, ...]]:
        """What a reader gets who asks Athena now."""
        self._read_pointers()
        return self.database.execute(translate(text)).fetchall()

    def StartQueryExecution(self, arguments: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        request = dict(arguments)
        token = request.pop("ClientRequestToken")
        known = self._tokens.get(token)
        if known is not None:
            if self.executions[known].request != request:
                raise _error("InvalidRequestException", "Idempotent parameters do not match")
            return {"QueryExecutionId": known}
        execution = Execution(request, self.polls)
        execution_id = f"query-{len(self.executions) + 1}"
        self._tokens[token] = execution_id
        self.executions[execution_id] = execution
        self._end(execution)
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
        info = [{"Name": name, "Type": kind} for name, kind in execution.columns]
        page: dict[str, Any] = {
            "ResultSet": {
                "Rows": [
                    {"Data": [{} if v is None else {"VarCharValue": str(v)} for v in row]}
                    for row in rows[start : start + PAGE]
                ],
                "ResultSetMetadata": {"ColumnInfo": info},
            }
        }
        if start + PAGE < len(rows):
            page["NextToken"] = str(start + PAGE)
        return page

    def _end(self, execution: Execution) -> None:
        for failure in self.failures:
            if failure.times and failure.words in execution.text:
                failure.times -= 1
                execution.failure = failure
                return
        try:
            parameters = execution.request.get("ExecutionParameters", [])
            result = self.database.execute(translate(execution.text, parameters))
        except (duckdb.Error, MalformedQueryError, QueryError) as error:
            execution.failure = Failure("", f"SYNTAX_ERROR: {error}")
            return
        execution.columns = [(name, _athena_type(kind)) for name, kind, *_ in result.description]
        execution.rows = result.fetchall()

    def _make(self, table: str, columns: Sequence[tuple[str, str]]) -> None:
        types = ", ".join(f"{name} {_SQL_TYPES.get(kind, kind)}" for name, kind in columns)
        self.database.execute(f"CREATE TABLE history_{table} ({types}, run_id varchar)")

    def _read_pointers(self) -> None:
        self.database.execute(_POINTERS)
        s3 = boto3.client("s3")
        listed = s3.list_objects_v2(Bucket=self.bucket, Prefix="published_runs/")
        for found in listed.get("Contents", []):
            text = s3.get_object(Bucket=self.bucket, Key=found["Key"])["Body"].read().decode()
            for line in text.splitlines():
                self.database.execute(
                    "INSERT INTO published_runs VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                    list(json.loads(line).values()),
                )


def _athena_type(kind: Any) -> str:
    name = str(kind).lower().partition("(")[0]
    return {"hugeint": "bigint"}.get(name, name)


def _error(code: str, message: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "Athena")
