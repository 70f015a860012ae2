"""Tables and views of the Glue catalogue as DuckDB's relations, read as whoever asks may read them.

What the catalogue says is what counts: its columns and types, and its partitions. A folder that no
partition names is not read.
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
    UnknownTypeError,
    can_be_read_as,
    duckdb_type,
    hive_type,
)
from local.extensions.athena.sql import (
    QueryError,
    duckdb_sql,
    named_tables,
    parse,
    pinned,
    position,
    read_instead,
)
from local.extensions.s3.files import S3File, files_below

_CATALOG = "awsdatacatalog"
_VIEW = ("/* Presto View: ", " */")


class TooMuchScannedError(Exception):
    """The query would read more bytes than its workgroup allows."""


@dataclass
class Tables:
    """What one query reads, prepared in `database`; `scanned` bytes so far.

    Without `with_data` all tables are empty, and S3 is not asked: enough to know a query's columns.
    """

    glue: Any
    s3: Any
    database: duckdb.DuckDBPyConnection
    folder: Path
    most_bytes: int | None = None
    with_data: bool = True
    scanned: int = 0
    _relations: dict[str, str] = field(default_factory=dict)
    _schemas: set[str] = field(default_factory=set)
    _opening: list[str] = field(default_factory=list)
    _files: dict[str, Path] = field(default_factory=dict)

    def prepare(self, statement: exp.Expr, schema: str, text: str) -> None:
        """Let each table that the statement names stand for a relation of DuckDB's.

        `schema` is meant where a name has none; `text` is the statement as it was written.
        QueryError, in Athena's words, for a table that is not there or may not be read.
        """
        for scope, table in named_tables(statement):
            where = position(text, table)
            catalog = table.catalog.lower() or _CATALOG
            if catalog != _CATALOG:
                raise QueryError(
                    "CATALOG_NOT_FOUND", f"{where}: Catalog '{catalog}' does not exist"
                )
            owner, name = (table.db or schema).lower(), table.name.lower()
            found = self._find(owner, name, where)
            keys = {key["Name"].lower() for key in found.get("PartitionKeys", [])}
            only = {key: one for key, one in pinned(scope, table).items() if key in keys}
            read_instead(scope, table, self._relation(owner, found, only))

    def _find(self, schema: str, name: str, where: str) -> dict[str, Any]:
        with refused_by_glue():
            if schema not in self._schemas:
                if not self._exists(self.glue.get_database, Name=schema):
                    raise QueryError(
                        "SCHEMA_NOT_FOUND", f"{where}: Schema '{schema}' does not exist"
                    )
                self._schemas.add(schema)
            found = self._exists(self.glue.get_table, DatabaseName=schema, Name=name)
        if not found:
            raise QueryError(
                "TABLE_NOT_FOUND", f"{where}: Table '{_CATALOG}.{schema}.{name}' does not exist"
            )
        return dict(found["Table"])

    @staticmethod
    def _exists(call: Any, **arguments: Any) -> Any:
        try:
            return call(**arguments)
        except ClientError as error:
            if error.response["Error"]["Code"] != "EntityNotFoundException":
                raise
            return None

    def _relation(self, schema: str, table: dict[str, Any], only: dict[str, str]) -> str:
        """The name of the relation that stands for the table, made at its first use."""
        name = json.dumps([schema, table["Name"], only]) if only else f"{schema}.{table['Name']}"
        if name not in self._relations:
            if table.get("TableType") == "VIRTUAL_VIEW":
                sql = self._view(schema, table)
            else:
                sql = self._table(schema, table, only)
            self.database.execute(f"CREATE VIEW {_quoted(name)} AS {sql}")
            self._relations[name] = sql
        return name

    def _view(self, schema: str, table: dict[str, Any]) -> str:
        name = f"{schema}.{table['Name']}"
        if name in self._opening:
            raise QueryError("VIEW_IS_RECURSIVE", "line 1:1: Statement contains a recursive view")
        definition = view_definition(table)
        statement = parse(definition["originalSql"])
        self._opening.append(name)
        self.prepare(statement, definition["schema"], definition["originalSql"])
        self._opening.remove(name)
        return duckdb_sql(statement)

    def _table(self, schema: str, table: dict[str, Any], only: dict[str, str]) -> str:
        storage = table["StorageDescriptor"]
        columns = {one["Name"].lower(): one["Type"].lower() for one in storage["Columns"]}
        keys = {one["Name"].lower(): one["Type"].lower() for one in table.get("PartitionKeys", [])}
        parts = [_empty({**columns, **keys})]
        if self.with_data:
            library = storage.get("SerdeInfo", {}).get("SerializationLibrary", "")
            for location, values in self._partitions(schema, table, keys, only):
                ends = [
                    f"CAST({_text(value)} AS {duckdb_type(kind)}) AS {_quoted(key)}"
                    for (key, kind), value in zip(keys.items(), values, strict=True)
                ]
                parts += self._reads(library, location, columns, ends)
        return "\nUNION ALL\n".join(parts)

    def _partitions(
        self, schema: str, table: dict[str, Any], keys: dict[str, str], only: dict[str, str]
    ) -> Iterator[tuple[str, list[str]]]:
        """Location and values of each partition; the whole table if it has no partition keys."""
        if not keys:
            yield table["StorageDescriptor"]["Location"], []
            return
        with refused_by_glue():
            pages = self.glue.get_paginator("get_partitions").paginate(
                DatabaseName=schema, TableName=table["Name"]
            )
            found = [partition for page in pages for partition in page["Partitions"]]
        for partition in found:
            named = dict(zip(keys, partition["Values"], strict=True))
            if all(named[key] == value for key, value in only.items()):
                yield partition["StorageDescriptor"]["Location"], partition["Values"]

    def _reads(
        self, library: str, location: str, columns: dict[str, str], ends: list[str]
    ) -> Iterator[str]:
        with _refused_by_s3(location):
            files = list(files_below(self.s3, location))
        if not files:
            return
        if library.endswith("JsonSerDe"):
            yield self._read_json(files, columns, ends)
        elif library.endswith("ParquetHiveSerDe"):
            for file in files:
                yield self._read_parquet(file, columns, ends)
        else:
            raise QueryError("NOT_SUPPORTED", f"no reader for {library or 'this table'}")

    def _read_json(self, files: Iterable[S3File], columns: dict[str, str], ends: list[str]) -> str:
        types = ", ".join(
            f"{_text(name)}: {_text(duckdb_type(kind))}" for name, kind in columns.items()
        )
        paths = ", ".join(_text(str(self._fetched(file))) for file in files)
        selected = ", ".join([*map(_quoted, columns), *ends])
        return (
            f"SELECT {selected} FROM read_json([{paths}], format = 'newline_delimited',"  # noqa: S608
            f" columns = {{{types}}})"
        )

    def _read_parquet(self, file: S3File, columns: dict[str, str], ends: list[str]) -> str:
        source = f"read_parquet({_text(str(self._fetched(file)))}, hive_partitioning = false)"
        try:
            found = self.database.execute(f"SELECT * FROM {source} LIMIT 0").description  # noqa: S608
        except duckdb.Error as error:
            raise QueryError(
                "HIVE_BAD_DATA", f"Not valid Parquet file: {file.uri}: {error}"
            ) from error
        types = {name.lower(): kind for name, kind, *_ in found}
        for name, kind in columns.items():
            if name in types:
                _check_type(file, name, types[name], kind)
        selected = [
            f"CAST({_quoted(name) if name in types else 'NULL'} AS {duckdb_type(kind)})"
            f" AS {_quoted(name)}"
            for name, kind in columns.items()
        ]
        return f"SELECT {', '.join([*selected, *ends])} FROM {source}"  # noqa: S608

    def _fetched(self, file: S3File) -> Path:
        """The file's copy on this machine. TooMuchScannedError before the limit is passed."""
        if file.uri not in self._files:
            self.scanned += file.size
            if self.most_bytes is not None and self.scanned > self.most_bytes:
                raise TooMuchScannedError
            path = self.folder / str(len(self._files))
            with _refused_by_s3(file.uri):
                body = self.s3.get_object(Bucket=file.bucket, Key=file.key)["Body"]
            with path.open("wb") as copy:
                for chunk in body.iter_chunks(1 << 20):
                    copy.write(chunk)
            self._files[file.uri] = path
        return self._files[file.uri]


def view_definition(table: dict[str, Any]) -> dict[str, Any]:
    """What Athena keeps of a view in the catalogue: `originalSql`, `schema`, `columns`."""
    text = table.get("ViewOriginalText") or ""
    encoded = text.removeprefix(_VIEW[0]).removesuffix(_VIEW[1])
    try:
        return dict(json.loads(base64.b64decode(encoded, validate=True)))
    except ValueError as error:
        name = f"{table['DatabaseName']}.{table['Name']}"
        raise QueryError("INVALID_VIEW", f"Invalid view JSON: {name}") from error


def view_text(definition: dict[str, Any]) -> str:
    """The definition as it stands in the catalogue."""
    return base64.b64encode(json.dumps(definition).encode()).decode().join(_VIEW)


@contextmanager
def refused_by_glue() -> Iterator[None]:
    """What the catalogue refuses, as Athena passes it on."""
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
def _refused_by_s3(where: str) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        code, message = error.response["Error"]["Code"], error.response["Error"]["Message"]
        if code == "AccessDenied":
            raise QueryError(
                "PERMISSION_DENIED", f"Permission denied on S3 path: {where} ({message})"
            ) from error
        raise QueryError(
            "HIVE_CANNOT_OPEN_SPLIT", f"Error opening Hive split {where}: {code}: {message}"
        ) from error


def _check_type(file: S3File, name: str, found: DuckDBPyType, wanted: str) -> None:
    try:
        kind = hive_type(found)
    except UnknownTypeError:
        kind = str(found).lower()
    if not can_be_read_as(kind, wanted):
        raise QueryError(
            "HIVE_BAD_DATA",
            f"Field {name}'s type {kind} in parquet file {file.uri} is incompatible with type"
            f" {wanted} defined in table schema",
        )


def _empty(columns: dict[str, str]) -> str:
    selected = (
        f"CAST(NULL AS {duckdb_type(kind)}) AS {_quoted(name)}" for name, kind in columns.items()
    )
    return f"SELECT {', '.join(selected)} WHERE false"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
