"""Check JSON documents against the schemas of the commands."""

from __future__ import annotations

import json
from typing import Any

from jsonschema import Draft202012Validator

from cli.json_output import SCHEMA_FOLDER


def check_document(document: dict[str, Any], kind: str, version: int = 1) -> None:
    """Check that a document is of a kind, and has every field of its schema and no other."""
    assert document["schema"] == f"rental-kpi.{kind}/{version}"
    Draft202012Validator(load_schema(kind, version)).validate(document)


def load_schema(kind: str, version: int = 1) -> dict[str, Any]:
    """Return the schema of a kind of document."""
    path = SCHEMA_FOLDER / f"{kind}.{version}.json"
    schema: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return schema
