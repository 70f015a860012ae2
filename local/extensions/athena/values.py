"""Values and columns of an answer as Athena writes them, and the file that it keeps them in."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from functools import singledispatch
from typing import Any

Row = Sequence[str | None]

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
_FIELD = re.compile(r'(?:"((?:[^"]|"")*)")?([,\n])')


def text_of(value: Any) -> str | None:
    """A value as Athena prints it; None for null."""
    return None if value is None else _text(value)


def column_info(name: str, kind: str) -> dict[str, Any]:
    """ColumnInfo of GetQueryResults for a column of Athena's type `kind`."""
    plain = re.split(r"[(]", kind, maxsplit=1)[0]
    plain = {"real": "float"}.get(plain, plain)
    precision, scale = _PRECISIONS.get(plain, (0, 0))
    if plain == "decimal":
        precision, scale = (int(number) for number in re.findall(r"\d+", kind))
    return {
        "CatalogName": "hive",
        "SchemaName": "",
        "TableName": "",
        "Name": name,
        "Label": name,
        "Type": plain,
        "Precision": precision,
        "Scale": scale,
        "Nullable": "UNKNOWN",
        "CaseSensitive": plain == "varchar",
    }


def csv_text(rows: Iterable[Row]) -> str:
    """The file of an answer: every value in quotes, null as nothing at all."""
    return "".join(",".join(_quoted(value) for value in row) + "\n" for row in rows)


def csv_rows(text: str) -> list[Row]:
    """The rows of such a file."""
    rows: list[Row] = []
    row: list[str | None] = []
    for field in _FIELD.finditer(text):
        value = field[1]
        row.append(None if value is None else value.replace('""', '"'))
        if field[2] == "\n":
            rows.append(row)
            row = []
    return rows


def _quoted(value: str | None) -> str:
    return "" if value is None else '"' + value.replace('"', '""') + '"'


@singledispatch
def _text(value: Any) -> str:
    return str(value)


@_text.register
def _(value: None) -> str:  # noqa: ARG001 - chosen by its type
    return "null"


@_text.register
def _(value: bool) -> str:
    return str(value).lower()


@_text.register
def _(value: Decimal) -> str:
    return format(value, "f")


@_text.register
def _(value: datetime) -> str:
    text = value.isoformat(" ", "milliseconds")
    return text if value.tzinfo is None else f"{text[:23]} UTC"


@_text.register
def _(value: bytes) -> str:
    return value.hex(" ")


@_text.register(list)
@_text.register(tuple)
def _(value: Sequence[Any]) -> str:
    return "[" + ", ".join(map(_text, value)) + "]"


@_text.register
def _(value: dict) -> str:  # type: ignore[type-arg] # its parts' types are not known here
    return "{" + ", ".join(f"{_text(key)}={_text(one)}" for key, one in value.items()) + "}"


@_text.register
def _(value: float) -> str:
    """As Java writes a double: 1.0, 1.2345678E7, 1.0E-4, NaN."""
    if math.isnan(value) or math.isinf(value):
        return {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}[str(value)]
    if value == 0 or 1e-3 <= abs(value) < 1e7:  # noqa: PLR2004 - Java's own limits
        return str(value)
    sign, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    first, *others = digits
    fraction = "".join(map(str, others)) or "0"
    return f"{'-' if sign else ''}{first}.{fraction}E{int(exponent) + len(others)}"
