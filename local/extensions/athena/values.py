"""Values, columns, and the CSV file of a query result, in Athena's format."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from functools import singledispatch
from typing import Any

Row = Sequence[str | None]
"""The values of a row as text, with `None` for null."""

_PRECISIONS = {
    "varchar": (2147483647, 0),
    "varbinary": (1073741824, 0),
    "tinyint": (3, 0),
    "smallint": (5, 0),
    "integer": (10, 0),
    "bigint": (19, 0),
    "float": (17, 0),
    "double": (17, 0),
    "timestamp": (3, 0),
}
_CSV_FIELD = re.compile(r'(?:"((?:[^"]|"")*)")?([,\n])')


def format_value(value: Any) -> str | None:
    """Return a value as Athena prints it, or `None` for null."""
    return None if value is None else _format(value)


def build_column_info(name: str, athena_type: str) -> dict[str, Any]:
    """Return the `ColumnInfo` that GetQueryResults reports for a column of this Athena type."""
    base_type = re.split(r"[(]", athena_type, maxsplit=1)[0]
    base_type = {"real": "float"}.get(base_type, base_type)
    precision, scale = _PRECISIONS.get(base_type, (0, 0))
    if base_type == "decimal":
        precision, scale = (int(number) for number in re.findall(r"\d+", athena_type))
    return {
        "CatalogName": "hive",
        "SchemaName": "",
        "TableName": "",
        "Name": name,
        "Label": name,
        "Type": base_type,
        "Precision": precision,
        "Scale": scale,
        "Nullable": "UNKNOWN",
        "CaseSensitive": base_type == "varchar",
    }


def format_csv(rows: Iterable[Row]) -> str:
    """Return a result as CSV: every value is quoted, and null is an empty field without quotes."""
    return "".join(",".join(_quote(value) for value in row) + "\n" for row in rows)


def parse_csv(text: str) -> list[Row]:
    """Return the rows of a CSV file that `format_csv` wrote."""
    rows: list[Row] = []
    row: list[str | None] = []
    for field in _CSV_FIELD.finditer(text):
        value = field[1]
        row.append(None if value is None else value.replace('""', '"'))
        if field[2] == "\n":
            rows.append(row)
            row = []
    return rows


def _quote(value: str | None) -> str:
    return "" if value is None else '"' + value.replace('"', '""') + '"'


@singledispatch
def _format(value: Any) -> str:
    return str(value)


@_format.register
def _(value: None) -> str:  # noqa: ARG001 - singledispatch selects the function by the type
    return "null"


@_format.register
def _(value: bool) -> str:
    return str(value).lower()


@_format.register
def _(value: Decimal) -> str:
    return format(value, "f")


@_format.register
def _(value: datetime) -> str:
    text = value.isoformat(" ", "milliseconds")
    return text if value.tzinfo is None else f"{text[:23]} UTC"


@_format.register
def _(value: bytes) -> str:
    return value.hex(" ")


@_format.register(list)
@_format.register(tuple)
def _(value: Sequence[Any]) -> str:
    return "[" + ", ".join(map(_format, value)) + "]"


@_format.register
def _(value: dict) -> str:  # type: ignore[type-arg] # the types of keys and values are unknown
    return "{" + ", ".join(f"{_format(key)}={_format(item)}" for key, item in value.items()) + "}"


@_format.register
def _(value: float) -> str:
    # As Java formats a double: 1.0, 1.2345678E7, 1.0E-4, NaN.
    if math.isnan(value) or math.isinf(value):
        return {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}[str(value)]
    if value == 0 or 1e-3 <= abs(value) < 1e7:  # noqa: PLR2004 - the limits that Java uses
        return str(value)
    sign, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    first, *others = digits
    fraction = "".join(map(str, others)) or "0"
    return f"{'-' if sign else ''}{first}.{fraction}E{int(exponent) + len(others)}"
