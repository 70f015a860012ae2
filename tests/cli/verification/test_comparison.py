"""The comparison of a run's results with the expected ones."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from cli.verification.comparison import compare_row_counts, compare_rows, compare_values
from cli.verification.known_batch import ExpectedResults, Row, load_expected_results
from pipeline.aws.athena import QueryResult, ResultColumn

VOLVO: Row = {"vehicle_type": "basic", "brand": "Volvo", "total_revenue": "10.00"}
KIA: Row = {"vehicle_type": "basic", "brand": "Kia", "total_revenue": "20.00"}


@pytest.mark.parametrize(
    ("actual", "differences"),
    [
        ([VOLVO, KIA], []),
        ([KIA, VOLVO], []),
        (
            [VOLVO, {**KIA, "total_revenue": "20.01"}],
            ["basic: total_revenue is 20.01, expected 20.00"],
        ),
        ([VOLVO], ["missing row vehicle_type basic, brand Kia, total_revenue 20.00"]),
        ([VOLVO, KIA, KIA], ["3 rows, expected 2"]),
        (
            [VOLVO, KIA, {**KIA, "vehicle_type": "premium"}],
            ["unexpected row vehicle_type premium, brand Kia, total_revenue 20.00"],
        ),
        (
            [],
            [
                "missing row vehicle_type basic, brand Volvo, total_revenue 10.00",
                "missing row vehicle_type basic, brand Kia, total_revenue 20.00",
            ],
        ),
    ],
)
def test_differences_between_rows_are_named(actual: list[Row], differences: list[str]) -> None:
    assert list(compare_rows([VOLVO, KIA], actual)) == differences


@pytest.mark.parametrize(
    ("actual", "differences"),
    [
        ({"a": {"b": 1}, "c": "2.00"}, []),
        ({"a": {"b": 2}, "c": "2.00"}, ["a.b is 2, expected 1"]),
        ({"a": {"b": 1}}, ["c is None, expected 2.00"]),
        ({"a": {"b": 1}, "c": "2.00", "problem": "x"}, ["problem is x, expected None"]),
    ],
)
def test_differences_between_reports_are_named(actual: Any, differences: list[str]) -> None:
    assert list(compare_values({"a": {"b": 1}, "c": "2.00"}, actual)) == differences


def build_row_counts(expected: ExpectedResults, **changes: str) -> QueryResult:
    """Return the row counts that Athena returns for the expected results."""
    counts = {
        **{name: str(c["accepted"]) for name, c in expected.transformation["datasets"].items()},
        **{name: str(t["rows"]) for name, t in expected.kpis["tables"].items()},
        **changes,
    }
    columns = (ResultColumn("table_name", "varchar"), ResultColumn("row_count", "bigint"))
    return QueryResult(columns, tuple(counts.items()))


def test_row_counts_of_all_tables_are_compared() -> None:
    expected = load_expected_results()
    assert list(compare_row_counts(expected, build_row_counts(expected))) == []
    counts = build_row_counts(expected, users="5")
    assert list(compare_row_counts(expected, counts)) == [
        "users: 5 rows in the catalog, expected 4"
    ]
    counts = replace(counts, rows=counts.rows[1:])
    assert list(compare_row_counts(expected, counts)) == [
        "users: None rows in the catalog, expected 4"
    ]
