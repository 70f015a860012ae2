"""The JSON that reading commands print with `--json`.

Each kind of document has a name and a version, such as `rental-kpi.runs/1`, and a JSON Schema in
`cli/schemas/`. Every field is always present; a value that does not exist is null. Amounts are
strings with two decimal places, so that no reader rounds them. Times are ISO 8601 in UTC.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import typer

SCHEMA_FOLDER = Path(__file__).resolve().parent / "schemas"
_NAMESPACE = "rental-kpi"


def print_json(kind: str, content: Mapping[str, Any], *, version: int = 1) -> None:
    """Print a document to stdout.

    Args:
        kind: The kind of the document, such as `runs`.
        content: The fields of the document other than `schema`.
        version: Version of the schema. A change that can break a reader needs a new one.
    """
    typer.echo(format_json(kind, content, version=version))


def format_json(kind: str, content: Mapping[str, Any], *, version: int = 1) -> str:
    """Return a document as `print_json` prints it."""
    document = {"schema": get_schema_name(kind, version), **content}
    # Only ASCII, so that no control or bidirectional-formatting character reaches a terminal.
    return json.dumps(document, indent=2, ensure_ascii=True, default=_to_json)


def get_schema_name(kind: str, version: int = 1) -> str:
    """Return the name of a schema, such as `rental-kpi.runs/1`."""
    return f"{_NAMESPACE}.{kind}/{version}"


def get_schema_file(kind: str, version: int = 1) -> Path:
    """Return the file of a schema."""
    return SCHEMA_FOLDER / f"{kind}.{version}.json"


def _to_json(value: Any) -> str:
    if isinstance(value, Decimal):
        return f"{value:.2f}"
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z"
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no place in JSON")
