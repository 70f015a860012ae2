"""Run one Athena query: from its tables to the file with its result."""

from __future__ import annotations

import re
import tempfile
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
from botocore.exceptions import ClientError
from sqlglot import exp

from local.extensions.athena.data_types import to_athena_type
from local.extensions.athena.decimals import use_athena_division
from local.extensions.athena.sql import (
    UNNAMED_COLUMN,
    QueryError,
    bind_parameters,
    create_unknown_column_error,
    get_changed_view,
    name_columns,
    to_duckdb_sql,
)
from local.extensions.athena.tables import TableResolver, translate_glue_errors
from local.extensions.athena.values import Row, build_column_info, format_csv, format_value
from local.extensions.athena.views import change_view
from local.extensions.patching.caller import Caller
from local.extensions.s3.files import split_location

_SYSTEM_ERROR = 1
_DEFAULT_DATABASE = "default"
# DuckDB's error class, a phrase in its message, and Athena's name. The first match counts.
_ERROR_NAMES: tuple[tuple[type[duckdb.Error], str, str], ...] = (
    (duckdb.InvalidInputException, "Division by zero", "DIVISION_BY_ZERO"),
    (duckdb.InvalidInputException, "JSON", "HIVE_CURSOR_ERROR"),
    (duckdb.ConversionException, "", "INVALID_CAST_ARGUMENT"),
    (duckdb.OutOfRangeException, "", "NUMERIC_VALUE_OUT_OF_RANGE"),
    (duckdb.ProgrammingError, "", "SYNTAX_ERROR"),
)
_UNKNOWN_COLUMN = re.compile(r'Referenced column "([^"]+)" not found')
_UNKNOWN_TABLE_COLUMN = re.compile(r'does not have a column named "([^"]+)"')
_UNKNOWN_FUNCTION = re.compile(r"Function with name \"?(\w+)\"? does not exist")


class QueryCanceledError(Exception):
    """The query was stopped by a user."""


@dataclass
class QueryRunner:
    """Runs a query once, with the permissions of its caller.

    Attributes:
        text: The query as the caller wrote it.
        statement: The parsed query.
        parameters: One SQL expression for each question mark of the query.
        schema: The schema of names that the query writes without one.
        caller: The credentials to use.
        result_configuration: Athena's `ResultConfiguration`: the location and the encryption of
            the result.
        max_bytes: The number of bytes that the query may scan, or `None` for no limit.
        columns: The `ColumnInfo` of each column of the result. Set by `run`.
        scanned_bytes: The number of bytes that the query scanned. Set by `run`.
    """

    text: str
    statement: exp.Expr
    parameters: Sequence[str]
    schema: str
    caller: Caller
    result_configuration: dict[str, Any]
    max_bytes: int | None = None
    columns: list[dict[str, Any]] = field(default_factory=list)
    scanned_bytes: int = 0
    _cancel_requested: threading.Event = field(default_factory=threading.Event)
    _database: duckdb.DuckDBPyConnection = field(default_factory=duckdb.connect)

    def cancel(self) -> None:
        """Make `run` raise `QueryCanceledError` soon. Can be called from another thread."""
        self._cancel_requested.set()
        self._database.interrupt()

    def run(self) -> None:
        """Run the query, and write its result to S3.

        Raises:
            QueryError: The query failed.
            ScanLimitExceededError: The query would scan more than `max_bytes`.
            QueryCanceledError: The query was canceled.
        """
        try:
            with tempfile.TemporaryDirectory(prefix="athena-") as folder:
                rows = self._execute(Path(folder))
                self._check_canceled()
                self._write_result(rows)
        except duckdb.InterruptException as error:
            raise QueryCanceledError from error
        finally:
            self._database.close()

    def _check_canceled(self) -> None:
        if self._cancel_requested.is_set():
            raise QueryCanceledError

    def _execute(self, folder: Path) -> list[Row]:
        glue = self.caller.client("glue")
        s3 = self.caller.client("s3")
        tables = TableResolver(glue, s3, self._database, folder, self.max_bytes)
        _use_default_database(glue)
        statement = bind_parameters(self.statement, self.parameters)
        self._database.execute("SET TimeZone = 'UTC'")
        # In Athena, the quotient of two integers is an integer.
        self._database.execute("SET integer_division = true")
        try:
            view = get_changed_view(statement)
            if view is None:
                return self._fetch_rows(statement, tables)
            tables.with_data = False
            change_view(statement, view, tables, self.schema, self.text)
        except duckdb.InterruptException:
            raise
        except duckdb.Error as error:
            raise self._translate_error(error) from error
        finally:
            self.scanned_bytes = tables.scanned_bytes
        return []

    def _fetch_rows(self, statement: exp.Expr, tables: TableResolver) -> list[Row]:
        """Return the rows of the result, with the column names as the first row."""
        tables.prepare(statement, self.schema, self.text)
        self._check_canceled()
        use_athena_division(self._database, statement)
        result = self._database.execute(to_duckdb_sql(name_columns(statement)))
        self.columns = [
            build_column_info(
                f"_col{index}" if name == UNNAMED_COLUMN else name.lower(),
                to_athena_type(duckdb_type),
            )
            for index, (name, duckdb_type, *_) in enumerate(result.description)
        ]
        rows: list[Row] = [[format_value(value) for value in row] for row in result.fetchall()]
        return [[column["Name"] for column in self.columns], *rows]

    def _write_result(self, rows: list[Row]) -> None:
        """Write the result to its location, with the encryption that the configuration sets."""
        location = self.result_configuration["OutputLocation"]
        bucket, key = split_location(location)
        encryption = self.result_configuration.get("EncryptionConfiguration", {})
        arguments = {}
        if option := encryption.get("EncryptionOption"):
            arguments["ServerSideEncryption"] = {"SSE_S3": "AES256"}.get(option, "aws:kms")
        if encryption.get("KmsKey"):
            arguments["SSEKMSKeyId"] = encryption["KmsKey"]
        try:
            self.caller.client("s3").put_object(
                Bucket=bucket, Key=key.rstrip("/"), Body=format_csv(rows).encode(), **arguments
            )
        except ClientError as error:
            raise QueryError(
                "",
                f"Access denied when writing output to url: {location} . Please ensure you are"
                " allowed to access the S3 bucket. If you are encrypting query results with KMS"
                f" key, please ensure you are allowed to access your KMS key ({error})",
            ) from error

    def _translate_error(self, error: duckdb.Error) -> QueryError:
        """Return the error that Athena reports where DuckDB raises this one."""
        message = str(error)
        column = _UNKNOWN_COLUMN.search(message) or _UNKNOWN_TABLE_COLUMN.search(message)
        if column:
            return create_unknown_column_error(self.text, self.statement, column[1])
        if function := _UNKNOWN_FUNCTION.search(message):
            return QueryError(
                "FUNCTION_NOT_FOUND", f"line 1:1: Function '{function[1]}' not registered"
            )
        description = " ".join(message.partition("\n\n")[0].split()).partition(": ")[2]
        for error_class, phrase, name in _ERROR_NAMES:
            if isinstance(error, error_class) and phrase in message:
                return QueryError(name, description)
        return QueryError("GENERIC_INTERNAL_ERROR", description, _SYSTEM_ERROR)


def _use_default_database(glue: Any) -> None:
    """Read the database `default`, and create it if the account does not have it.

    Athena requires the permission for these calls from the caller of every query ("Configure access
    to databases and tables in the AWS Glue Data Catalog" in the Amazon Athena User Guide).
    """
    with translate_glue_errors():
        glue.get_databases()
        try:
            glue.get_database(Name=_DEFAULT_DATABASE)
        except glue.exceptions.EntityNotFoundException:
            # Another query may create it at the same time.
            with suppress(glue.exceptions.AlreadyExistsException):
                glue.create_database(DatabaseInput={"Name": _DEFAULT_DATABASE})
