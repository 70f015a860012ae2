"""Division of decimals as in Athena, where DuckDB divides them as floating-point numbers.

In Athena, the quotient has the larger scale of the two operands, and is rounded half up: 1.0 / 3 is
0.3 ("Decimal functions and operators" in the Trino documentation, on which Athena is based).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import duckdb
import sqlglot
from sqlglot import exp
from sqlglot.optimizer.scope import traverse_scope

_MAX_PRECISION = 38
# Athena's decimal type for each integer type. A sum of integers is a HUGEINT in DuckDB, and a
# bigint in Athena.
_INTEGER_PRECISIONS = {
    "TINYINT": 3,
    "SMALLINT": 5,
    "INTEGER_LITERAL": 10,
    "INTEGER": 10,
    "BIGINT": 19,
    "HUGEINT": 19,
}
# A function that does not accept numbers, so that DuckDB's error names the types of the operands.
_PROBE = "strptime"
_OPERAND = r"(?:DECIMAL\(\d+,\d+\)|\w+)"
_PROBE_ERROR = re.compile(rf"'{_PROBE}\(({_OPERAND}), ({_OPERAND})\)'")
_DECIMAL = re.compile(r"DECIMAL\((\d+),(\d+)\)")
_IS_UNCHANGED = "is_unchanged"
# The arguments are integers: the quotient is rounded half away from zero.
_CREATE_MACRO = """
CREATE OR REPLACE TEMPORARY MACRO divide_half_up(dividend, divisor) AS
    sign(dividend) * sign(divisor)
    * ((2 * abs(dividend) + abs(divisor)) // (2 * abs(divisor)))
"""


@dataclass(frozen=True)
class _DecimalType:
    """A decimal type: the number of digits, and how many of them follow the point."""

    precision: int
    scale: int


def use_athena_division(database: duckdb.DuckDBPyConnection, statement: exp.Expr) -> None:
    """Change the divisions of decimals in a statement, so that DuckDB divides as Athena does.

    Args:
        database: The database with the relations that the statement reads.
        statement: A statement that DuckDB can run. It is changed. Divisions of other types stay.
    """
    query = statement.expression if isinstance(statement, exp.Create) else statement
    if not query.find(exp.Div):
        return
    database.execute(_CREATE_MACRO)
    # The scopes are in the order of evaluation, so the types of inner queries are known first.
    for select in [scope.expression for scope in traverse_scope(query)]:
        while (division := _find_next_division(select)) is not None:
            same_divisions = _find_same_divisions(select, division)
            types = _find_operand_types(database, query, same_divisions)
            for node in same_divisions:
                if types is None:
                    node.meta[_IS_UNCHANGED] = True
                else:
                    node.replace(_build_division(node, *types))


def _find_next_division(select: exp.Expr) -> exp.Div | None:
    """Return a division that was not handled yet, and whose operands were."""
    for division in _find_unhandled_divisions(select):
        if list(_find_unhandled_divisions(division)) == [division]:
            return division
    return None


def _find_unhandled_divisions(node: exp.Expr) -> Iterator[exp.Div]:
    for division in node.find_all(exp.Div):
        if not division.meta.get(_IS_UNCHANGED):
            yield division


def _find_same_divisions(select: exp.Expr, division: exp.Div) -> list[exp.Div]:
    """Return the equal divisions of a SELECT, because GROUP BY may repeat an expression."""
    return [
        node
        for node in _find_unhandled_divisions(select)
        if node == division and node.parent_select is division.parent_select
    ]


def _find_operand_types(
    database: duckdb.DuckDBPyConnection, query: exp.Expr, divisions: list[exp.Div]
) -> tuple[_DecimalType, _DecimalType] | None:
    """Return the types of the operands, or None if this is not a division of decimals."""
    probes = [
        exp.Anonymous(this=_PROBE, expressions=[node.left.copy(), node.right.copy()])
        for node in divisions
    ]
    for node, probe in zip(divisions, probes, strict=True):
        node.replace(probe)
    try:
        database.execute(f"EXPLAIN {query.sql(dialect='duckdb', comments=False)}")
    except duckdb.Error as error:
        match = _PROBE_ERROR.search(str(error))
    else:
        match = None
    finally:
        for node, probe in zip(divisions, probes, strict=True):
            probe.replace(node)
    if match is None or "DECIMAL" not in match[0]:
        return None
    left, right = _parse_type(match[1]), _parse_type(match[2])
    return (left, right) if left and right else None


def _parse_type(name: str) -> _DecimalType | None:
    """Return the decimal type for DuckDB's type, or None if it is neither decimal nor integer."""
    if decimal := _DECIMAL.fullmatch(name):
        return _DecimalType(int(decimal[1]), int(decimal[2]))
    precision = _INTEGER_PRECISIONS.get(name)
    return _DecimalType(precision, 0) if precision else None


def _build_division(division: exp.Div, left: _DecimalType, right: _DecimalType) -> exp.Expr:
    """Return an expression for the quotient. It divides integers: the digits of the operands."""
    scale = max(left.scale, right.scale)
    precision = min(_MAX_PRECISION, left.precision + right.scale + max(0, right.scale - left.scale))
    unit = f"{10**-scale:.{scale}f}"
    template = f"""
        CAST(
            CAST(
                divide_half_up(
                    CAST(:left * CAST({10**left.scale} AS HUGEINT) AS HUGEINT)
                    * CAST({10 ** (scale + right.scale - left.scale)} AS HUGEINT),
                    CAST(:right * CAST({10**right.scale} AS HUGEINT) AS HUGEINT)
                ) AS DECIMAL({_MAX_PRECISION}, 0)
            ) * {unit} AS DECIMAL({precision}, {scale})
        )
    """
    return exp.replace_placeholders(
        sqlglot.parse_one(template, read="duckdb"),
        left=exp.paren(division.left.copy()),
        right=exp.paren(division.right.copy()),
    )
