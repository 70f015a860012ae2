"""One query of Athena's, from its tables to the file with its answer."""

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

from local.extensions.athena.data_types import athena_type
from local.extensions.athena.sql import (
    UNNAMED,
    QueryError,
    changed_view,
    duckdb_sql,
    filled,
    unknown_column,
    with_named_columns,
)
from local.extensions.athena.tables import Tables, refused_by_glue
from local.extensions.athena.values import Row, column_info, csv_text, text_of
from local.extensions.athena.views import change_view
from local.extensions.patching.caller import Caller
from local.extensions.s3.files import split_location

_SYSTEM_ERROR = 1
# DuckDB's error, a word that it has, and what Athena calls it; the first one that fits.
_ERRORS: tuple[tuple[type[duckdb.Error], str, str], ...] = (
    (duckdb.InvalidInputException, "Division by zero", "DIVISION_BY_ZERO"),
    (duckdb.InvalidInputException, "JSON", "HIVE_CURSOR_ERROR"),
    (duckdb.ConversionException, "", "INVALID_CAST_ARGUMENT"),
    (duckdb.OutOfRangeException, "", "NUMERIC_VALUE_OUT_OF_RANGE"),
    (duckdb.ProgrammingError, "", "SYNTAX_ERROR"),
)
_UNKNOWN_COLUMN = re.compile(r'Referenced column "([^"]+)" not found')
_UNKNOWN_TABLE_COLUMN = re.compile(r'does not have a column named "([^"]+)"')
_UNKNOWN_FUNCTION = re.compile(r"Function with name \"?(\w+)\"? does not exist")


class StoppedError(Exception):
    """Somebody stopped the query."""


@dataclass
class Run:
    """A query on its way; it does what `caller` may do."""

    text: str
    statement: exp.Expr
    parameters: Sequence[str]
    schema: str
    caller: Caller
    output: dict[str, Any]
    most_bytes: int | None = None
    columns: list[dict[str, Any]] = field(default_factory=list)
    scanned: int = 0
    _stopped: threading.Event = field(default_factory=threading.Event)
    _database: duckdb.DuckDBPyConnection = field(default_factory=duckdb.connect)

    def stop(self) -> None:
        """Let it end soon with StoppedError."""
        self._stopped.set()
        self._database.interrupt()

    def execute(self) -> None:
        """Run the query and write its answer; `columns` and `scanned` are set then.

        QueryError, TooMuchScannedError or StoppedError.
        """
        try:
            with tempfile.TemporaryDirectory(prefix="athena-") as folder:
                rows = self._rows(Path(folder))
                self._check_stopped()
                self._write(rows)
        except duckdb.InterruptException as error:
            raise StoppedError from error
        finally:
            self._database.close()

    def _check_stopped(self) -> None:
        if self._stopped.is_set():
            raise StoppedError

    def _rows(self, folder: Path) -> list[Row]:
        glue = self.caller.client("glue")
        tables = Tables(glue, self.caller.client("s3"), self._database, folder, self.most_bytes)
        # Athena looks at this database before each statement, whichever one that names.
        with refused_by_glue(), suppress(glue.exceptions.EntityNotFoundException):
            glue.get_database(Name="default")
        statement = filled(self.statement, self.parameters)
        self._database.execute("SET TimeZone = 'UTC'")
        # As Athena divides whole numbers.
        self._database.execute("SET integer_division = true")
        try:
            view = changed_view(statement)
            if view is None:
                return self._answer(statement, tables)
            tables.with_data = False
            change_view(statement, view, tables, self.schema, self.text)
        except duckdb.InterruptException:
            raise
        except duckdb.Error as error:
            raise self._in_athenas_words(error) from error
        finally:
            self.scanned = tables.scanned
        return []

    def _answer(self, statement: exp.Expr, tables: Tables) -> list[Row]:
        tables.prepare(statement, self.schema, self.text)
        self._check_stopped()
        result = self._database.execute(duckdb_sql(with_named_columns(statement)))
        self.columns = [
            column_info(f"_col{place}" if name == UNNAMED else name.lower(), athena_type(kind))
            for place, (name, kind, *_) in enumerate(result.description)
        ]
        rows: list[Row] = [[text_of(value) for value in row] for row in result.fetchall()]
        return [[column["Name"] for column in self.columns], *rows]

    def _write(self, rows: list[Row]) -> None:
        """Put the answer where it belongs, encrypted as the workgroup wants it."""
        location = self.output["OutputLocation"]
        bucket, key = split_location(location)
        encryption = self.output.get("EncryptionConfiguration", {})
        arguments = {}
        if option := encryption.get("EncryptionOption"):
            arguments["ServerSideEncryption"] = {"SSE_S3": "AES256"}.get(option, "aws:kms")
        if encryption.get("KmsKey"):
            arguments["SSEKMSKeyId"] = encryption["KmsKey"]
        try:
            self.caller.client("s3").put_object(
                Bucket=bucket, Key=key.rstrip("/"), Body=csv_text(rows).encode(), **arguments
            )
        except ClientError as error:
            raise QueryError(
                "",
                f"Access denied when writing output to url: {location} . Please ensure you are"
                " allowed to access the S3 bucket. If you are encrypting query results with KMS"
                f" key, please ensure you are allowed to access your KMS key ({error})",
            ) from error

    def _in_athenas_words(self, error: duckdb.Error) -> QueryError:
        message = str(error)
        column = _UNKNOWN_COLUMN.search(message) or _UNKNOWN_TABLE_COLUMN.search(message)
        if column:
            return unknown_column(self.text, self.statement, column[1])
        if function := _UNKNOWN_FUNCTION.search(message):
            return QueryError(
                "FUNCTION_NOT_FOUND", f"line 1:1: Function '{function[1]}' not registered"
            )
        plain = " ".join(message.partition("\n\n")[0].split()).partition(": ")[2]
        for kind, words, name in _ERRORS:
            if isinstance(error, kind) and words in message:
                return QueryError(name, plain)
        return QueryError("GENERIC_INTERNAL_ERROR", plain, _SYSTEM_ERROR)
