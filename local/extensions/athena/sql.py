"""Athena's SQL: read in its own dialect, refused in its own words, written as DuckDB's.

Where DuckDB computes otherwise than Athena, the difference is named here: `AVG` and `/` of decimals
come as double, and a `varchar` has no length.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

import sqlglot
from sqlglot import exp
from sqlglot.errors import ParseError, SqlglotError
from sqlglot.optimizer.scope import Scope, traverse_scope

UNNAMED = "?column?"
"""The alias of an expression without a name, which Athena calls `_col0` by its place."""

_USER_ERROR = 2

# It warns of statements that it does not know, which are refused here anyway.
logging.getLogger("sqlglot").setLevel(logging.ERROR)


class MalformedQueryError(Exception):
    """Text that Athena refuses to start: no SQL, or no statement that it runs."""


class QueryError(Exception):
    """Why a query failed, as Athena says it: `NAME: line 1:15: what is wrong`."""

    def __init__(self, name: str, message: str, category: int = _USER_ERROR) -> None:
        """`category` is Athena's: 1 for the system, 2 for whoever asked, 3 for others."""
        super().__init__(f"{name}: {message}" if name else message)
        self.category = category


def parse(text: str) -> exp.Expr:
    """The one statement of the text: a query, CREATE VIEW or DROP VIEW.

    MalformedQueryError for anything else.
    """
    try:
        statements = [one for one in sqlglot.parse(text, read="athena") if one is not None]
    except ParseError as error:
        raise MalformedQueryError(_mismatch(error)) from error
    except SqlglotError as error:
        raise MalformedQueryError(f"line 1:1: {error}") from error
    if len(statements) != 1:
        raise MalformedQueryError(f"Only one sql statement is allowed. Got: {text}")
    (statement,) = statements
    if not is_query(statement) and changed_view(statement) is None:
        raise MalformedQueryError("Queries of this type are not supported")
    return statement


def is_query(statement: exp.Expr) -> bool:
    """Whether the statement answers with rows."""
    return isinstance(statement, exp.Query | exp.Values)


def changed_view(statement: exp.Expr) -> exp.Table | None:
    """The name of the view that the statement makes or drops; null if it does neither."""
    if isinstance(statement, exp.Create | exp.Drop) and statement.kind == "VIEW":
        named = statement.args.get("tables") or [statement.this]
        if len(named) == 1 and isinstance(named[0], exp.Table):
            return named[0]
    return None


def filled(statement: exp.Expr, parameters: Sequence[str]) -> exp.Expr:
    """The statement with its question marks replaced, in order.

    Each parameter is SQL, as with Athena: a text brings its quotes. QueryError if their number
    differs from that of the marks, or one is not constant.
    """
    marks = list(statement.find_all(exp.Placeholder, bfs=False))
    if len(marks) != len(parameters):
        raise QueryError(
            "INVALID_PARAMETER_USAGE",
            f"line 1:1: Incorrect number of parameters: expected {len(marks)} but found"
            f" {len(parameters)}",
        )
    values = iter([_constant(text) for text in parameters])
    return statement.transform(
        lambda node: next(values) if isinstance(node, exp.Placeholder) else node
    )


def named_tables(statement: exp.Expr) -> list[tuple[Scope, exp.Table]]:
    """The tables and views that the statement reads, without what it names itself by WITH."""
    return [
        (scope, source)
        for scope in traverse_scope(statement)
        for source in scope.sources.values()
        if isinstance(source, exp.Table)
    ]


def pinned(scope: Scope, table: exp.Table) -> dict[str, str]:
    """The columns that this part of the query compares with one text, by lower-case name."""
    where = scope.expression.args.get("where")
    if where is None:
        return {}
    parts = where.this.flatten() if isinstance(where.this, exp.And) else [where.this]
    return {
        part.this.name.lower(): part.expression.name
        for part in parts
        if isinstance(part, exp.EQ)
        and isinstance(part.this, exp.Column)
        and part.expression.is_string
        and (part.this.table or table.alias_or_name) == table.alias_or_name
        and (part.this.table or len(scope.sources) == 1)
    }


def read_instead(scope: Scope, table: exp.Table, relation: str) -> None:
    """Let the statement read DuckDB's `relation` where it names the table."""
    for column in scope.columns:
        if table.db and (column.text("db"), column.table) == (table.db, table.name):
            column.set("db", None)
            column.set("catalog", None)
    if not table.alias:
        table.set("alias", exp.TableAlias(this=table.this.copy()))
    table.set("this", exp.to_identifier(relation, quoted=True))
    table.set("db", None)
    table.set("catalog", None)


def with_named_columns(query: exp.Expr) -> exp.Expr:
    """The query with an alias for each expression of its answer that has no name."""
    select = query
    while isinstance(select, exp.SetOperation | exp.Subquery):
        select = select.this
    if isinstance(select, exp.Select):
        for one in select.expressions:
            if not (isinstance(one, exp.Alias | exp.Column | exp.Dot) or one.is_star):
                one.replace(exp.alias_(one.copy(), UNNAMED, quoted=True))
    return query


def duckdb_sql(statement: exp.Expr) -> str:
    """The statement in DuckDB's words."""
    return statement.sql(dialect="duckdb", comments=False)


def translated(text: str, parameters: Sequence[str] = ()) -> str:
    """Athena's text with its parameters as DuckDB's; tables keep their names."""
    return duckdb_sql(filled(parse(text), parameters))


def position(text: str, node: exp.Expr) -> str:
    """Where a name stands in the text, as `line 1:15`."""
    starts = [one.meta["start"] for one in node.find_all(exp.Identifier) if "start" in one.meta]
    start = min(starts, default=0)
    before = text[:start]
    return f"line {before.count(chr(10)) + 1}:{start - before.rfind(chr(10))}"


def unknown_column(text: str, statement: exp.Expr, name: str) -> QueryError:
    """The error for a column that no table of the statement has."""
    columns: Iterator[exp.Column] = statement.find_all(exp.Column)
    found = next((one for one in columns if one.name.lower() == name.lower()), statement)
    return QueryError(
        "COLUMN_NOT_FOUND",
        f"{position(text, found)}: Column '{name.lower()}' cannot be resolved or requester is not"
        " authorized to access requested resources",
    )


def _constant(text: str) -> exp.Expr:
    try:
        value = sqlglot.parse_one(text, read="athena")
    except SqlglotError as error:
        raise QueryError("SYNTAX_ERROR", f"line 1:1: the parameter {text} is no SQL") from error
    if value.find(exp.Column, exp.Query) or not isinstance(value, exp.Condition):
        raise QueryError(
            "EXPRESSION_NOT_CONSTANT",
            "line 1:1: Constant expression cannot contain column references",
        )
    return value


def _mismatch(error: ParseError) -> str:
    where = error.errors[0]
    word = " ".join(where["highlight"].split()) or "<EOF>"
    # The parser counts to the end of the word, Athena to its beginning.
    column = max(1, where["col"] - len(word) + 1)
    return f"line {where['line']}:{column}: mismatched input '{word}'"
