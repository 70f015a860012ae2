"""Division of decimals: known results of Athena, which divides like Trino."""

from __future__ import annotations

from collections.abc import Iterator
from string import Template

import duckdb
import pytest

from local.extensions.athena.data_types import to_athena_type
from local.extensions.athena.sql import translate


@pytest.fixture
def database() -> Iterator[duckdb.DuckDBPyConnection]:
    """Return a database with one row of each type, as the local Athena sets it up."""
    with duckdb.connect() as connection:
        connection.execute("SET integer_division = true")
        connection.execute(
            "CREATE TABLE t AS SELECT 7::bigint AS big, 3::integer AS small, 10::decimal(12, 2) AS"
            " money, 1.5::decimal(2, 1) AS short, 2.5::double AS float, 'x' AS name,"
            " [{'dataset': 'users', 'read': 3::bigint, 'rejected': 1::bigint}] AS counts"
        )
        yield connection


def _query(database: duckdb.DuckDBPyConnection, text: str) -> list[tuple[str, object]]:
    """Run an Athena query with one row, and return the type and the value of each column."""
    result = database.execute(translate(text, (), database))
    types = [to_athena_type(column[1]) for column in result.description]
    (row,) = result.fetchall()
    return list(zip(types, row, strict=True))


def _query_expression(
    database: duckdb.DuckDBPyConnection, expression: str
) -> list[tuple[str, object]]:
    return _query(
        database, Template("SELECT $expression AS q FROM t").substitute(expression=expression)
    )


@pytest.mark.parametrize(
    ("expression", "athena_type", "value"),
    [
        # Operands as in Trino's own tests of this operator.
        ("CAST(9.0 AS decimal(2, 1)) / CAST(13 AS decimal(2, 0))", "decimal(2,1)", "0.7"),
        ("CAST(1.0 AS decimal(2, 1)) / CAST(3 AS decimal(1, 0))", "decimal(2,1)", "0.3"),
        ("CAST(1.0 AS decimal(2, 1)) / CAST(0.1 AS decimal(1, 1))", "decimal(3,1)", "10.0"),
        ("CAST(500.00 AS decimal(5, 2)) / CAST(0.1 AS decimal(1, 1))", "decimal(6,2)", "5000.00"),
        ("CAST(100.00 AS decimal(5, 2)) / CAST(0.3 AS decimal(1, 1))", "decimal(6,2)", "333.33"),
        ("CAST(100.00 AS decimal(5, 2)) / CAST(-0.30 AS decimal(2, 2))", "decimal(7,2)", "-333.33"),
        ("CAST(200.00 AS decimal(5, 2)) / CAST(0.3 AS decimal(1, 1))", "decimal(6,2)", "666.67"),
        (
            "CAST(200.00000 AS decimal(8, 5)) / CAST(0.3 AS decimal(1, 1))",
            "decimal(9,5)",
            "666.66667",
        ),
        ("CAST(-200.00 AS decimal(5, 2)) / CAST(0.3 AS decimal(1, 1))", "decimal(6,2)", "-666.67"),
        # Half is rounded away from zero.
        ("1.0 / 20", "decimal(2,1)", "0.1"),
        ("-1.0 / 20", "decimal(2,1)", "-0.1"),
        # The operands of the query `quality`.
        ("100.0 * big / small", "decimal(23,1)", "233.3"),
        ("100.00 * big / NULLIF(small, 0)", "decimal(24,2)", "233.33"),
        ("CAST(100.00 * small / NULLIF(0, 0) AS decimal(5, 2))", "decimal(5,2)", None),
        ("money / small", "decimal(12,2)", "3.33"),
        ("small / money", "decimal(14,2)", "0.30"),
        ("money / short / small", "decimal(13,2)", "2.22"),
        ("money / (short / small)", "decimal(13,2)", "20.00"),
        ("SUM(money) / COUNT(*)", "decimal(38,2)", "10.00"),
        ("CASE WHEN money / small > 3 THEN money / small END", "decimal(12,2)", "3.33"),
        (
            "CAST('99999999999999999999999999999999.99' AS decimal(38, 2)) / 1.0",
            "decimal(38,2)",
            "99999999999999999999999999999999.99",
        ),
    ],
)
def test_quotient_has_the_larger_scale_and_is_rounded_half_up(
    database: duckdb.DuckDBPyConnection, expression: str, athena_type: str, value: str | None
) -> None:
    [(actual_type, quotient)] = _query_expression(database, expression)
    assert actual_type == athena_type
    assert (None if quotient is None else str(quotient)) == value


@pytest.mark.parametrize(
    ("expression", "athena_type", "value"),
    [
        ("big / small", "bigint", 2),
        ("5 / 2", "integer", 2),
        ("float / small", "double", 2.5 / 3),
        ("money / float", "double", 4.0),
    ],
)
def test_other_types_are_divided_as_before(
    database: duckdb.DuckDBPyConnection, expression: str, athena_type: str, value: object
) -> None:
    assert _query_expression(database, expression) == [(athena_type, value)]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("SELECT money / small AS q FROM t GROUP BY money / small", "3.33"),
        ("SELECT money / small AS q FROM t ORDER BY money / small", "3.33"),
        ("WITH x AS (SELECT money / small AS q FROM t) SELECT q / 2 AS q FROM x", "1.67"),
        ("SELECT q / 2 AS q FROM (SELECT money / small AS q FROM t)", "1.67"),
        ("SELECT (SELECT SUM(money) FROM t) / small AS q FROM t", "3.33"),
        ("SELECT SUM(money / small) OVER (PARTITION BY big) AS q FROM t", "3.33"),
        ("SELECT money / small AS q FROM t UNION SELECT 10.00 / 3", "3.33"),
        ("SELECT TRANSFORM(ARRAY[small], n -> n / 2.00)[1] AS q FROM t", "1.50"),
        ("SELECT TRANSFORM(counts, c -> 100.00 * c.rejected / c.read)[1] AS q FROM t", "33.33"),
    ],
)
def test_division_anywhere_in_a_query(
    database: duckdb.DuckDBPyConnection, text: str, value: str
) -> None:
    [(_, quotient)] = _query(database, text)
    assert str(quotient) == value


def test_division_by_zero_fails(database: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(duckdb.InvalidInputException, match="Division by zero"):
        _query(database, "SELECT money / 0 AS q FROM t")


def test_unknown_column_is_reported_by_its_name(database: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(duckdb.BinderException, match='"nope" not found'):
        _query(database, "SELECT nope / 2.0 AS q FROM t")
