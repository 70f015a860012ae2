"""Types of columns in the words of those who name them: Hive's catalogue, Athena, DuckDB."""

from __future__ import annotations

import re
from typing import Any

from duckdb.sqltypes import DuckDBPyType
from sqlglot import exp

_HIVE = {
    "boolean": "boolean",
    "tinyint": "tinyint",
    "smallint": "smallint",
    "integer": "int",
    "bigint": "bigint",
    "utinyint": "smallint",
    "usmallint": "int",
    "uinteger": "bigint",
    # Sums of whole numbers, which are a bigint for Athena.
    "hugeint": "bigint",
    "float": "float",
    "double": "double",
    "varchar": "string",
    "enum": "string",
    "uuid": "string",
    "blob": "binary",
    "date": "date",
    "timestamp": "timestamp",
    "timestamp_s": "timestamp",
    "timestamp_ms": "timestamp",
    "timestamp_ns": "timestamp",
    "timestamp with time zone": "timestamp",
}
_ATHENA = {
    **{kind: kind for kind in ("boolean", "tinyint", "smallint", "integer", "bigint", "double")},
    **{kind: kind for kind in ("varchar", "date", "time", "timestamp", "timestamp with time zone")},
    **dict.fromkeys(("timestamp_s", "timestamp_ms", "timestamp_ns"), "timestamp"),
    "hugeint": "bigint",
    "float": "real",
    "enum": "varchar",
    "uuid": "uuid",
    "blob": "varbinary",
    "null": "unknown",
    "interval": "interval day to second",
    "time with time zone": "time with time zone",
}
_NESTED = {"decimal", "list", "array", "map", "struct"}
_WHOLE = ("tinyint", "smallint", "int", "bigint")
_TEXTS = {"varchar": "string", "char": "string"}


class UnknownTypeError(Exception):
    """A type that the catalogue has no word for."""


def duckdb_type(hive: str) -> str:
    """The catalogue's type, such as `array<struct<a:bigint>>`, as DuckDB writes it."""
    return exp.DataType.build(hive, dialect="hive").sql(dialect="duckdb")


def hive_type(kind: DuckDBPyType) -> str:
    """DuckDB's type as the catalogue writes it; UnknownTypeError if it cannot."""
    children: dict[str, Any] = dict(kind.children) if kind.id in _NESTED else {}
    if kind.id == "decimal":
        return f"decimal({children['precision']},{children['scale']})"
    if kind.id in ("list", "array"):
        return f"array<{hive_type(children['child'])}>"
    if kind.id == "map":
        return f"map<{hive_type(children['key'])},{hive_type(children['value'])}>"
    if kind.id == "struct":
        fields = ",".join(f"{name.lower()}:{hive_type(child)}" for name, child in children.items())
        return f"struct<{fields}>"
    if kind.id not in _HIVE:
        raise UnknownTypeError(f"type {kind} has no name in the catalogue")
    return _HIVE[kind.id]


def athena_type(kind: DuckDBPyType) -> str:
    """DuckDB's type as Athena's SQL writes it: `decimal(18,2)`, `array(row(a bigint))`."""
    children: dict[str, Any] = dict(kind.children) if kind.id in _NESTED else {}
    if kind.id == "decimal":
        return f"decimal({children['precision']},{children['scale']})"
    if kind.id in ("list", "array"):
        return f"array({athena_type(children['child'])})"
    if kind.id == "map":
        return f"map({athena_type(children['key'])}, {athena_type(children['value'])})"
    if kind.id == "struct":
        fields = (f"{name} {athena_type(child)}" for name, child in children.items())
        return f"row({', '.join(fields)})"
    return _ATHENA.get(kind.id, "varchar")


def can_be_read_as(found: str, wanted: str) -> bool:
    """Whether Athena reads a Parquet column of Hive type `found` as one of type `wanted`."""
    if found in _WHOLE and wanted in _WHOLE:
        return _WHOLE.index(found) <= _WHOLE.index(wanted)
    if (found, wanted) == ("float", "double"):
        return True
    # Of lists and structs the parts are matched by name, and decimals by their scale.
    kinds = {_TEXTS.get(kind, kind) for kind in (_outermost(found), _outermost(wanted))}
    return len(kinds) == 1


def _outermost(kind: str) -> str:
    return re.split(r"[(<]", kind, maxsplit=1)[0]
