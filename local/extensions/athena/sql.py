"""Athena's SQL: parsed in its own dialect, rejected with its own messages, translated for DuckDB.

Two differences from Athena remain: `AVG` of decimals returns a double, and a `varchar` has no
length.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

import duckdb
import sqlglot
from sqlglot import exp
from sqlglot.errors import ParseError, SqlglotError
from sqlglot.optimizer.scope import Scope, traverse_scope

from local.extensions.athena.decimals import use_athena_division

UNNAMED_COLUMN = "?column?"
"""The alias of an expression without a name. Athena names such a column `_col0`, by its index."""

_USER_ERROR = 2

# sqlglot warns about statements that it does not know. They are rejected here anyway.
logging.getLogger("sqlglot").setLevel(logging.ERROR)


class MalformedQueryError(Exception):
    """Text that Athena does not start: invalid SQL, or a statement that it does not support."""


class QueryError(Exception):
    """A failed query, with Athena's message, such as `NAME: line 1:15: description`."""

    def __init__(self, name: str, message: str, category: int = _USER_ERROR) -> None:
        """Create the error.

        Args:
            name: Athena's name of the error. May be empty.
            message: Athena's description of the error.
            category: Athena's error category: 1 for system, 2 for user, 3 for other errors.
        """
        super().__init__(f"{name}: {message}" if name else message)
        self.category = category


def parse(text: str) -> exp.Expr:
    """Parse a single statement: a query, CREATE VIEW, or DROP VIEW.

    Raises:
        MalformedQueryError: The text is anything else.
    """
    try:
        statements = [
            statement for statement in sqlglot.parse(text, read="athena") if statement is not None
        ]
    except ParseError as error:
        raise MalformedQueryError(_describe_parse_error(error)) from error
    except SqlglotError as error:
        raise MalformedQueryError(f"line 1:1: {error}") from error
    if len(statements) != 1:
        raise MalformedQueryError(f"Only one sql statement is allowed. Got: {text}")
    (statement,) = statements
    if not is_query(statement) and get_changed_view(statement) is None:
        raise MalformedQueryError("Queries of this type are not supported")
    return statement


def is_query(statement: exp.Expr) -> bool:
    """Return whether the statement returns rows."""
    return isinstance(statement, exp.Query | exp.Values)


def get_changed_view(statement: exp.Expr) -> exp.Table | None:
    """Return the name of the view that the statement creates or drops, or `None`."""
    if isinstance(statement, exp.Create | exp.Drop) and statement.kind == "VIEW":
        names = statement.args.get("tables") or [statement.this]
        if len(names) == 1 and isinstance(names[0], exp.Table):
            return names[0]
    return None


def bind_parameters(statement: exp.Expr, parameters: Sequence[str]) -> exp.Expr:
    """Return the statement with its question marks replaced by the parameters, in order.

    Args:
        statement: The statement. It is not changed.
        parameters: One SQL expression for each question mark, as in Athena: a string includes its
            quotation marks.

    Raises:
        QueryError: The number of parameters is wrong, or a parameter is not a constant.
    """
    placeholders = list(statement.find_all(exp.Placeholder, bfs=False))
    if len(placeholders) != len(parameters):
        raise QueryError(
            "INVALID_PARAMETER_USAGE",
            f"line 1:1: Incorrect number of parameters: expected {len(placeholders)} but found"
            f" {len(parameters)}",
        )
    values = iter([_parse_constant(text) for text in parameters])
    return statement.transform(
        lambda node: next(values) if isinstance(node, exp.Placeholder) else node
    )


def get_tables(statement: exp.Expr) -> list[tuple[Scope, exp.Table]]:
    """Return the tables and views that the statement reads, each with the scope that names it.

    Names that the statement defines itself in a WITH clause are not included.
    """
    return [
        (scope, source)
        for scope in traverse_scope(statement)
        for source in scope.sources.values()
        if isinstance(source, exp.Table)
    ]


def get_string_filters(scope: Scope, table: exp.Table) -> dict[str, str]:
    """Return the columns of a table that the WHERE clause of a scope compares with a string.

    Returns:
        The strings, by lowercase column name.
    """
    where = scope.expression.args.get("where")
    if where is None:
        return {}
    conditions = where.this.flatten() if isinstance(where.this, exp.And) else [where.this]
    return {
        condition.this.name.lower(): condition.expression.name
        for condition in conditions
        if isinstance(condition, exp.EQ)
        and isinstance(condition.this, exp.Column)
        and condition.expression.is_string
        and (condition.this.table or table.alias_or_name) == table.alias_or_name
        and (condition.this.table or len(scope.sources) == 1)
    }


def replace_table(scope: Scope, table: exp.Table, relation: str) -> None:
    """Change the statement to read a DuckDB relation in place of a table."""
    for column in scope.columns:
        if table.db and (column.text("db"), column.table) == (table.db, table.name):
            column.set("db", None)
            column.set("catalog", None)
    if not table.alias:
        table.set("alias", exp.TableAlias(this=table.this.copy()))
    table.set("this", exp.to_identifier(relation, quoted=True))
    table.set("db", None)
    table.set("catalog", None)


def name_columns(query: exp.Expr) -> exp.Expr:
    """Add an alias to each result column that has no name, and return the changed query."""
    select = query
    while isinstance(select, exp.SetOperation | exp.Subquery):
        select = select.this
    if isinstance(select, exp.Select):
        for expression in select.expressions:
            has_name = isinstance(expression, exp.Alias | exp.Column | exp.Dot)
            if not (has_name or expression.is_star):
                expression.replace(exp.alias_(expression.copy(), UNNAMED_COLUMN, quoted=True))
    return query


def to_duckdb_sql(statement: exp.Expr) -> str:
    """Return the statement as DuckDB SQL."""
    return statement.sql(dialect="duckdb", comments=False)


def translate(text: str, parameters: Sequence[str], database: duckdb.DuckDBPyConnection) -> str:
    """Translate a statement from Athena's SQL to DuckDB SQL. Table names stay the same.

    Args:
        text: The statement in Athena's SQL.
        parameters: One SQL expression for each question mark.
        database: The database with the tables of the statement.

    Raises:
        MalformedQueryError: Athena does not start such a statement.
        QueryError: The parameters do not fit the statement.
    """
    statement = bind_parameters(parse(text), parameters)
    use_athena_division(database, statement)
    return to_duckdb_sql(statement)


def get_position(text: str, node: exp.Expr) -> str:
    """Return the position of a name in the text of its statement, such as `line 1:15`."""
    starts = [
        identifier.meta["start"]
        for identifier in node.find_all(exp.Identifier)
        if "start" in identifier.meta
    ]
    start = min(starts, default=0)
    before = text[:start]
    return f"line {before.count(chr(10)) + 1}:{start - before.rfind(chr(10))}"


def create_unknown_column_error(text: str, statement: exp.Expr, name: str) -> QueryError:
    """Return the error for a column that no table of the statement has.

    Args:
        text: The text of the statement.
        statement: The statement.
        name: The name of the unknown column.
    """
    columns: Iterator[exp.Column] = statement.find_all(exp.Column)
    node = next((column for column in columns if column.name.lower() == name.lower()), statement)
    return QueryError(
        "COLUMN_NOT_FOUND",
        f"{get_position(text, node)}: Column '{name.lower()}' cannot be resolved or requester is"
        " not authorized to access requested resources",
    )


def _parse_constant(text: str) -> exp.Expr:
    try:
        value = sqlglot.parse_one(text, read="athena")
    except SqlglotError as error:
        raise QueryError(
            "SYNTAX_ERROR", f"line 1:1: the parameter {text} is not valid SQL"
        ) from error
    if value.find(exp.Column, exp.Query) or not isinstance(value, exp.Condition):
        raise QueryError(
            "EXPRESSION_NOT_CONSTANT",
            "line 1:1: Constant expression cannot contain column references",
        )
    return value


def _describe_parse_error(error: ParseError) -> str:
    detail = error.errors[0]
    token = " ".join(detail["highlight"].split()) or "<EOF>"
    # sqlglot reports the column where the token ends, Athena the column where it begins.
    column = max(1, detail["col"] - len(token) + 1)
    return f"line {detail['line']}:{column}: mismatched input '{token}'"
