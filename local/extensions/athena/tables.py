"""Tables and views of the Glue Data Catalog as DuckDB relations.

Every table is read with the permissions of the caller. The catalog is authoritative: for the
columns, for their types, and for the partitions. A folder in S3 without a partition is not read.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
from botocore.exceptions import ClientError
from duckdb.sqltypes import DuckDBPyType
from sqlglot import exp

from local.extensions.athena.data_types import (
    UnsupportedTypeError,
    is_readable_as,
    to_duckdb_type,
    to_hive_type,
)
from local.extensions.athena.decimals import use_athena_division
from local.extensions.athena.sql import (
    QueryError,
    get_position,
    get_string_filters,
    get_tables,
    parse,
    replace_table,
    to_duckdb_sql,
)
from local.extensions.s3.files import S3File, list_files

_CATALOG = "awsdatacatalog"
_VIEW_DELIMITERS = ("/* Presto View: ", " */")


class ScanLimitExceededError(Exception):
    """The query would scan more bytes than its workgroup allows."""


@dataclass
class TableResolver:
    """Prepares the tables of one query in DuckDB.

    Attributes:
        glue: A Glue client with the caller's credentials.
        s3: An S3 client with the caller's credentials.
        database: The DuckDB database for the relations.
        folder: The folder for copies of S3 objects.
        max_bytes: The number of bytes that the query may scan, or `None` for no limit.
        with_data: Whether tables contain their rows. Without rows, S3 is not read; the columns of
            a query are known even so.
        scanned_bytes: The number of bytes that were scanned so far.
    """

    glue: Any
    s3: Any
    database: duckdb.DuckDBPyConnection
    folder: Path
    max_bytes: int | None = None
    with_data: bool = True
    scanned_bytes: int = 0
    _relations: set[str] = field(default_factory=set)
    _known_schemas: set[str] = field(default_factory=set)
    _open_views: list[str] = field(default_factory=list)
    _local_copies: dict[str, Path] = field(default_factory=dict)

    def prepare(self, statement: exp.Expr, schema: str, text: str) -> None:
        """Replace each table that the statement names with a DuckDB relation.

        Args:
            statement: The statement. It is changed.
            schema: The schema of tables that are named without one.
            text: The statement as the caller wrote it.

        Raises:
            QueryError: A table does not exist, or the caller may not read it.
            ScanLimitExceededError: The tables exceed the limit.
        """
        for scope, table in get_tables(statement):
            position = get_position(text, table)
            catalog = table.catalog.lower() or _CATALOG
            if catalog != _CATALOG:
                raise QueryError(
                    "CATALOG_NOT_FOUND", f"{position}: Catalog '{catalog}' does not exist"
                )
            table_schema, name = (table.db or schema).lower(), table.name.lower()
            definition = self._get_table(table_schema, name, position)
            keys = {key["Name"].lower() for key in definition.get("PartitionKeys", [])}
            filters = {
                column: value
                for column, value in get_string_filters(scope, table).items()
                if column in keys
            }
            replace_table(scope, table, self._create_relation(table_schema, definition, filters))

    def _get_table(self, schema: str, name: str, position: str) -> dict[str, Any]:
        with translate_glue_errors():
            if schema not in self._known_schemas:
                if not self._call_if_exists(self.glue.get_database, Name=schema):
                    raise QueryError(
                        "SCHEMA_NOT_FOUND", f"{position}: Schema '{schema}' does not exist"
                    )
                self._known_schemas.add(schema)
            response = self._call_if_exists(self.glue.get_table, DatabaseName=schema, Name=name)
        if not response:
            raise QueryError(
                "TABLE_NOT_FOUND",
                f"{position}: Table '{_CATALOG}.{schema}.{name}' does not exist",
            )
        return dict(response["Table"])

    @staticmethod
    def _call_if_exists(call: Any, **arguments: Any) -> Any:
        """Call Glue, and return `None` if the named entity does not exist."""
        try:
            return call(**arguments)
        except ClientError as error:
            if error.response["Error"]["Code"] != "EntityNotFoundException":
                raise
            return None

    def _create_relation(self, schema: str, table: dict[str, Any], filters: dict[str, str]) -> str:
        """Create the relation for a table unless it exists, and return its name."""
        full_name = f"{schema}.{table['Name']}"
        name = json.dumps([schema, table["Name"], filters]) if filters else full_name
        if name not in self._relations:
            if table.get("TableType") == "VIRTUAL_VIEW":
                sql = self._build_view_sql(schema, table)
            else:
                sql = self._build_table_sql(schema, table, filters)
            self.database.execute(f"CREATE VIEW {_quote_name(name)} AS {sql}")
            self._relations.add(name)
        return name

    def _build_view_sql(self, schema: str, table: dict[str, Any]) -> str:
        name = f"{schema}.{table['Name']}"
        if name in self._open_views:
            raise QueryError("VIEW_IS_RECURSIVE", "line 1:1: Statement contains a recursive view")
        definition = parse_view_definition(table)
        statement = parse(definition["originalSql"])
        self._open_views.append(name)
        self.prepare(statement, definition["schema"], definition["originalSql"])
        self._open_views.remove(name)
        use_athena_division(self.database, statement)
        return to_duckdb_sql(statement)

    def _build_table_sql(self, schema: str, table: dict[str, Any], filters: dict[str, str]) -> str:
        storage = table["StorageDescriptor"]
        columns = _get_types(storage["Columns"])
        keys = _get_types(table.get("PartitionKeys", []))
        selects = [_build_empty_select({**columns, **keys})]
        if self.with_data:
            library = storage.get("SerdeInfo", {}).get("SerializationLibrary", "")
            for location, values in self._list_partitions(schema, table, keys, filters):
                key_columns = [
                    f"CAST({_quote_text(value)} AS {to_duckdb_type(key_type)}) AS"
                    f" {_quote_name(key)}"
                    for (key, key_type), value in zip(keys.items(), values, strict=True)
                ]
                selects += self._build_selects(library, location, columns, key_columns)
        return "\nUNION ALL\n".join(selects)

    def _list_partitions(
        self, schema: str, table: dict[str, Any], keys: dict[str, str], filters: dict[str, str]
    ) -> Iterator[tuple[str, list[str]]]:
        """Yield the location and the values of each partition that passes the filters.

        A table without partition keys counts as one partition.
        """
        if not keys:
            yield table["StorageDescriptor"]["Location"], []
            return
        with translate_glue_errors():
            pages = self.glue.get_paginator("get_partitions").paginate(
                DatabaseName=schema, TableName=table["Name"]
            )
            partitions = [partition for page in pages for partition in page["Partitions"]]
        for partition in partitions:
            values = dict(zip(keys, partition["Values"], strict=True))
            if all(values[key] == value for key, value in filters.items()):
                yield partition["StorageDescriptor"]["Location"], partition["Values"]

    def _build_selects(
        self, library: str, location: str, columns: dict[str, str], key_columns: list[str]
    ) -> Iterator[str]:
        with _translate_s3_errors(location):
            files = list(list_files(self.s3, location))
        if not files:
            return
        if library.endswith("JsonSerDe"):
            yield self._build_json_select(files, columns, key_columns)
        elif library.endswith("ParquetHiveSerDe"):
            for file in files:
                yield self._build_parquet_select(file, columns, key_columns)
        else:
            raise QueryError(
                "NOT_SUPPORTED", f"the local cloud cannot read {library or 'this table'}"
            )

    def _build_json_select(
        self, files: Iterable[S3File], columns: dict[str, str], key_columns: list[str]
    ) -> str:
        types = ", ".join(
            f"{_quote_text(name)}: {_quote_text(to_duckdb_type(hive_type))}"
            for name, hive_type in columns.items()
        )
        paths = ", ".join(_quote_text(str(self._download(file))) for file in files)
        selected = ", ".join([*map(_quote_name, columns), *key_columns])
        return (
            f"SELECT {selected} FROM read_json([{paths}], format = 'newline_delimited',"
            f" columns = {{{types}}})"
        )

    def _build_parquet_select(
        self, file: S3File, columns: dict[str, str], key_columns: list[str]
    ) -> str:
        path = _quote_text(str(self._download(file)))
        source = f"read_parquet({path}, hive_partitioning = false)"
        try:
            description = self.database.execute(f"SELECT * FROM {source} LIMIT 0").description
        except duckdb.Error as error:
            raise QueryError(
                "HIVE_BAD_DATA", f"Not valid Parquet file: {file.uri}: {error}"
            ) from error
        actual_types = {name.lower(): duckdb_type for name, duckdb_type, *_ in description}
        for name, hive_type in columns.items():
            if name in actual_types:
                _check_type(file, name, actual_types[name], hive_type)
        selected = [
            f"CAST({_quote_name(name) if name in actual_types else 'NULL'} AS"
            f" {to_duckdb_type(hive_type)}) AS {_quote_name(name)}"
            for name, hive_type in columns.items()
        ]
        return f"SELECT {', '.join([*selected, *key_columns])} FROM {source}"

    def _download(self, file: S3File) -> Path:
        """Download a file unless that has been done, and return the path of the copy.

        Raises:
            ScanLimitExceededError: The file would exceed the limit. It is not downloaded.
        """
        if file.uri not in self._local_copies:
            self.scanned_bytes += file.size
            if self.max_bytes is not None and self.scanned_bytes > self.max_bytes:
                raise ScanLimitExceededError
            path = self.folder / str(len(self._local_copies))
            with _translate_s3_errors(file.uri):
                body = self.s3.get_object(Bucket=file.bucket, Key=file.key)["Body"]
            with path.open("wb") as copy:
                for chunk in body.iter_chunks(1 << 20):
                    copy.write(chunk)
            self._local_copies[file.uri] = path
        return self._local_copies[file.uri]


def parse_view_definition(table: dict[str, Any]) -> dict[str, Any]:
    """Return the definition of a view that Athena stored in the catalog.

    Returns:
        A dict with `originalSql`, `catalog`, `schema`, and `columns`.

    Raises:
        QueryError: The definition is invalid.
    """
    text = table.get("ViewOriginalText") or ""
    encoded = text.removeprefix(_VIEW_DELIMITERS[0]).removesuffix(_VIEW_DELIMITERS[1])
    try:
        return dict(json.loads(base64.b64decode(encoded, validate=True)))
    except ValueError as error:
        name = f"{table['DatabaseName']}.{table['Name']}"
        raise QueryError("INVALID_VIEW", f"Invalid view JSON: {name}") from error


def format_view_definition(definition: dict[str, Any]) -> str:
    """Return the text that Athena stores in the catalog for the definition of a view."""
    return base64.b64encode(json.dumps(definition).encode()).decode().join(_VIEW_DELIMITERS)


@contextmanager
def translate_glue_errors() -> Iterator[None]:
    """Raise errors of Glue in the block as Athena reports them.

    Raises:
        QueryError: Glue returned an error.
    """
    try:
        yield
    except ClientError as error:
        code, message = error.response["Error"]["Code"], error.response["Error"]["Message"]
        if code == "AccessDeniedException":
            raise QueryError(
                "", f"Insufficient permissions to execute the query. {message}"
            ) from error
        raise QueryError("HIVE_METASTORE_ERROR", f"{code}: {message}") from error


@contextmanager
def _translate_s3_errors(location: str) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        code, message = error.response["Error"]["Code"], error.response["Error"]["Message"]
        if code == "AccessDenied":
            raise QueryError(
                "PERMISSION_DENIED", f"Permission denied on S3 path: {location} ({message})"
            ) from error
        raise QueryError(
            "HIVE_CANNOT_OPEN_SPLIT", f"Error opening Hive split {location}: {code}: {message}"
        ) from error


def _check_type(file: S3File, name: str, actual: DuckDBPyType, expected: str) -> None:
    try:
        actual_type = to_hive_type(actual)
    except UnsupportedTypeError:
        actual_type = str(actual).lower()
    if not is_readable_as(actual_type, expected):
        raise QueryError(
            "HIVE_BAD_DATA",
            f"Field {name}'s type {actual_type} in parquet file {file.uri} is incompatible with"
            f" type {expected} defined in table schema",
        )


def _get_types(columns: Iterable[dict[str, str]]) -> dict[str, str]:
    """Return the Hive types of columns in the catalog, by lowercase name."""
    return {column["Name"].lower(): column["Type"].lower() for column in columns}


def _build_empty_select(columns: dict[str, str]) -> str:
    selected = (
        f"CAST(NULL AS {to_duckdb_type(hive_type)}) AS {_quote_name(name)}"
        for name, hive_type in columns.items()
    )
    return f"SELECT {', '.join(selected)} WHERE false"


def _quote_name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _quote_text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
