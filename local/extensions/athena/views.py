"""CREATE VIEW and DROP VIEW: what Athena writes into the Glue catalogue."""

from __future__ import annotations

from collections import Counter
from typing import Any

from botocore.exceptions import ClientError
from sqlglot import exp

from local.extensions.athena.data_types import athena_type, hive_type
from local.extensions.athena.sql import (
    UNNAMED,
    QueryError,
    duckdb_sql,
    position,
    with_named_columns,
)
from local.extensions.athena.tables import Tables, refused_by_glue, view_text


def change_view(
    statement: exp.Expr, target: exp.Table, tables: Tables, schema: str, text: str
) -> None:
    """Make, replace or drop the view `target`, with the permissions of whoever asks.

    QueryError if it is there and not to be replaced, is a table, or was changed by another at the
    same time.
    """
    owner, name = (target.db or schema).lower(), target.name.lower()
    known = _known(tables.glue, owner, name)
    full_name = f"awsdatacatalog.{owner}.{name}"
    if known and known.get("TableType") != "VIRTUAL_VIEW":
        raise QueryError(
            "NOT_SUPPORTED", f"{position(text, target)}: '{full_name}' is a table, not a view"
        )
    with refused_by_glue():
        if isinstance(statement, exp.Drop):
            if known:
                tables.glue.delete_table(DatabaseName=owner, Name=name)
            elif not statement.args.get("exists"):
                raise QueryError(
                    "TABLE_NOT_FOUND",
                    f"{position(text, target)}: View '{full_name}' does not exist",
                )
            return
        if known and not statement.args.get("replace"):
            raise QueryError("", f"View already exists: '{full_name}'")
        view = _table_input(statement, tables, owner, name, text)
        if known:
            # By its version, so that of two who replace it at the same time one is told.
            tables.glue.update_table(
                DatabaseName=owner, TableInput=view, VersionId=known["VersionId"]
            )
        else:
            tables.glue.create_table(DatabaseName=owner, TableInput=view)


def _known(glue: Any, schema: str, name: str) -> dict[str, Any] | None:
    with refused_by_glue():
        try:
            return dict(glue.get_table(DatabaseName=schema, Name=name)["Table"])
        except ClientError as error:
            if error.response["Error"]["Code"] != "EntityNotFoundException":
                raise
            return None


def _table_input(
    statement: exp.Expr, tables: Tables, schema: str, name: str, text: str
) -> dict[str, Any]:
    query = statement.expression
    original = query.sql(dialect="athena", pretty=True)
    tables.prepare(query, schema, text)
    found = tables.database.execute(
        f"SELECT * FROM ({duckdb_sql(with_named_columns(query))}) LIMIT 0"  # noqa: S608
    ).description
    columns = [(column.lower(), kind) for column, kind, *_ in found]
    _check_names([column for column, _ in columns], position(text, query))
    definition = {
        "originalSql": original,
        "catalog": "awsdatacatalog",
        "schema": schema,
        "columns": [{"name": column, "type": athena_type(kind)} for column, kind in columns],
    }
    return {
        "Name": name,
        "TableType": "VIRTUAL_VIEW",
        "ViewOriginalText": view_text(definition),
        "ViewExpandedText": "/* Presto View */",
        "Parameters": {"presto_view": "true", "comment": "Presto View"},
        "PartitionKeys": [],
        "StorageDescriptor": {
            "Columns": [{"Name": column, "Type": hive_type(kind)} for column, kind in columns],
            "Location": "",
            "SerdeInfo": {},
        },
    }


def _check_names(names: list[str], where: str) -> None:
    if UNNAMED in names:
        raise QueryError(
            "MISSING_COLUMN_NAME",
            f"{where}: Column name not specified at position {names.index(UNNAMED) + 1}",
        )
    twice = [name for name, times in Counter(names).items() if times > 1]
    if twice:
        raise QueryError(
            "DUPLICATE_COLUMN_NAME", f"{where}: Column name '{twice[0]}' specified more than once"
        )
