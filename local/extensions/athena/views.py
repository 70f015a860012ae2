"""CREATE VIEW and DROP VIEW: what Athena stores in the Glue Data Catalog."""

from __future__ import annotations

from collections import Counter
from typing import Any

from botocore.exceptions import ClientError
from sqlglot import exp

from local.extensions.athena.data_types import to_athena_type, to_hive_type
from local.extensions.athena.decimals import use_athena_division
from local.extensions.athena.sql import (
    UNNAMED_COLUMN,
    QueryError,
    get_position,
    name_columns,
    to_duckdb_sql,
)
from local.extensions.athena.tables import (
    TableResolver,
    format_view_definition,
    translate_glue_errors,
)


def change_view(
    statement: exp.Expr, view: exp.Table, tables: TableResolver, schema: str, text: str
) -> None:
    """Create, replace, or drop a view in the catalog, with the permissions of the caller.

    Args:
        statement: The CREATE VIEW or DROP VIEW statement.
        view: The name of the view in the statement.
        tables: The tables that the view reads.
        schema: The schema of names that the statement writes without one.
        text: The statement as the caller wrote it.

    Raises:
        QueryError: The statement cannot be applied: the view exists and may not be replaced, does
            not exist, is a table, or was changed by another query at the same time.
    """
    view_schema, name = (view.db or schema).lower(), view.name.lower()
    existing = _get_existing_table(tables.glue, view_schema, name)
    full_name = f"awsdatacatalog.{view_schema}.{name}"
    if existing and existing.get("TableType") != "VIRTUAL_VIEW":
        raise QueryError(
            "NOT_SUPPORTED", f"{get_position(text, view)}: '{full_name}' is a table, not a view"
        )
    with translate_glue_errors():
        if isinstance(statement, exp.Drop):
            if existing:
                tables.glue.delete_table(DatabaseName=view_schema, Name=name)
            elif not statement.args.get("exists"):
                raise QueryError(
                    "TABLE_NOT_FOUND",
                    f"{get_position(text, view)}: View '{full_name}' does not exist",
                )
            return
        if existing and not statement.args.get("replace"):
            raise QueryError("", f"View already exists: '{full_name}'")
        table_input = _build_table_input(statement, tables, view_schema, name, text)
        if existing:
            # With the version, one of two simultaneous replacements fails.
            tables.glue.update_table(
                DatabaseName=view_schema, TableInput=table_input, VersionId=existing["VersionId"]
            )
        else:
            tables.glue.create_table(DatabaseName=view_schema, TableInput=table_input)


def _get_existing_table(glue: Any, schema: str, name: str) -> dict[str, Any] | None:
    with translate_glue_errors():
        try:
            return dict(glue.get_table(DatabaseName=schema, Name=name)["Table"])
        except ClientError as error:
            if error.response["Error"]["Code"] != "EntityNotFoundException":
                raise
            return None


def _build_table_input(
    statement: exp.Expr, tables: TableResolver, schema: str, name: str, text: str
) -> dict[str, Any]:
    query = statement.expression
    original_sql = query.sql(dialect="athena", pretty=True)
    tables.prepare(query, schema, text)
    use_athena_division(tables.database, query)
    description = tables.database.execute(
        f"SELECT * FROM ({to_duckdb_sql(name_columns(query))}) LIMIT 0"
    ).description
    columns = [(column.lower(), duckdb_type) for column, duckdb_type, *_ in description]
    _check_names([column for column, _ in columns], get_position(text, query))
    definition = {
        "originalSql": original_sql,
        "catalog": "awsdatacatalog",
        "schema": schema,
        "columns": [
            {"name": column, "type": to_athena_type(duckdb_type)} for column, duckdb_type in columns
        ],
    }
    return {
        "Name": name,
        "TableType": "VIRTUAL_VIEW",
        "ViewOriginalText": format_view_definition(definition),
        "ViewExpandedText": "/* Presto View */",
        "Parameters": {"presto_view": "true", "comment": "Presto View"},
        "PartitionKeys": [],
        "StorageDescriptor": {
            "Columns": [
                {"Name": column, "Type": to_hive_type(duckdb_type)}
                for column, duckdb_type in columns
            ],
            "Location": "",
            "SerdeInfo": {},
        },
    }


def _check_names(names: list[str], position: str) -> None:
    if UNNAMED_COLUMN in names:
        raise QueryError(
            "MISSING_COLUMN_NAME",
            f"{position}: Column name not specified at position {names.index(UNNAMED_COLUMN) + 1}",
        )
    duplicates = [name for name, count in Counter(names).items() if count > 1]
    if duplicates:
        raise QueryError(
            "DUPLICATE_COLUMN_NAME",
            f"{position}: Column name '{duplicates[0]}' specified more than once",
        )
