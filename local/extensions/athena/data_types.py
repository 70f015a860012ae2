"""Column types as DuckDB, Athena, and the Glue Data Catalog (in Hive's notation) name them."""

from __future__ import annotations

import re
from typing import Any

from duckdb.sqltypes import DuckDBPyType
from sqlglot import exp

_HIVE_TYPES = {
    "boolean": "boolean",
    "tinyint": "tinyint",
    "smallint": "smallint",
    "integer": "int",
    "bigint": "bigint",
    "utinyint": "smallint",
    "usmallint": "int",
    "uinteger": "bigint",
    # In DuckDB, a sum of integers. In Athena, such a sum is a bigint.
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
_SAME_IN_ATHENA = (
    *("boolean", "tinyint", "smallint", "integer", "bigint", "double"),
    *("varchar", "date", "time", "timestamp", "timestamp with time zone"),
)
_ATHENA_TYPES = {
    **{name: name for name in _SAME_IN_ATHENA},
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
_PARAMETRIZED = {"decimal", "list", "array", "map", "struct"}
_INTEGERS = ("tinyint", "smallint", "int", "bigint")  # from narrow to wide
_STRINGS = {"varchar": "string", "char": "string"}


class UnsupportedTypeError(Exception):
    """A type that the Glue Data Catalog does not have."""


def to_duckdb_type(hive_type: str) -> str:
    """Return the DuckDB type for a Hive type such as `array<struct<a:bigint>>`."""
    return exp.DataType.build(hive_type, dialect="hive").sql(dialect="duckdb")


def to_hive_type(duckdb_type: DuckDBPyType) -> str:
    """Return the Hive type for a DuckDB type.

    Raises:
        UnsupportedTypeError: The Glue Data Catalog has no such type.
    """
    name = duckdb_type.id
    children = _get_children(duckdb_type)
    if name == "decimal":
        return f"decimal({children['precision']},{children['scale']})"
    if name in ("list", "array"):
        return f"array<{to_hive_type(children['child'])}>"
    if name == "map":
        return f"map<{to_hive_type(children['key'])},{to_hive_type(children['value'])}>"
    if name == "struct":
        fields = ",".join(
            f"{field.lower()}:{to_hive_type(child)}" for field, child in children.items()
        )
        return f"struct<{fields}>"
    if name not in _HIVE_TYPES:
        raise UnsupportedTypeError(f"the Glue Data Catalog does not support the type {duckdb_type}")
    return _HIVE_TYPES[name]


def to_athena_type(duckdb_type: DuckDBPyType) -> str:
    """Return the type in Athena's SQL, such as `decimal(18,2)` or `array(row(a bigint))`."""
    name = duckdb_type.id
    children = _get_children(duckdb_type)
    if name == "decimal":
        return f"decimal({children['precision']},{children['scale']})"
    if name in ("list", "array"):
        return f"array({to_athena_type(children['child'])})"
    if name == "map":
        return f"map({to_athena_type(children['key'])}, {to_athena_type(children['value'])})"
    if name == "struct":
        fields = (f"{field} {to_athena_type(child)}" for field, child in children.items())
        return f"row({', '.join(fields)})"
    return _ATHENA_TYPES.get(name, "varchar")


def is_readable_as(actual: str, expected: str) -> bool:
    """Return whether Athena can read a Parquet column as the type that the table declares.

    Args:
        actual: The Hive type of the column in the file.
        expected: The Hive type of the column in the table.
    """
    if actual in _INTEGERS and expected in _INTEGERS:
        return _INTEGERS.index(actual) <= _INTEGERS.index(expected)
    if (actual, expected) == ("float", "double"):
        return True
    # Athena matches the parts of lists and structs by name, and decimals by their scale.
    return _get_base_type(actual) == _get_base_type(expected)


def _get_children(duckdb_type: DuckDBPyType) -> dict[str, Any]:
    return dict(duckdb_type.children) if duckdb_type.id in _PARAMETRIZED else {}


def _get_base_type(hive_type: str) -> str:
    base = re.split(r"[(<]", hive_type, maxsplit=1)[0]
    return _STRINGS.get(base, base)
