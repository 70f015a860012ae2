"""The files in `sql/`: each is used, is valid in Athena's dialect, and sorts its rows."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
import sqlglot
from sqlglot import exp

from contract.kpi_tables import KPI_TABLES
from pipeline.publication.catalog import (
    build_day_changes_query,
    build_day_history_query,
    build_question_queries,
    build_row_count_query,
    build_view_queries,
    build_week_queries,
    list_tables,
)
from pipeline.publication.questions import QUESTIONS, SQL_FOLDER, TOTALS, Question

PROJECT = Path(__file__).resolve().parents[3]
FILES = {path.stem: path.read_text("utf-8") for path in sorted(SQL_FOLDER.iterdir())}
TEMPLATES = {"published_view", "row_counts", "single_run"}
QUERIES = [
    *build_view_queries(personal_data=True),
    build_row_count_query("run"),
    *build_question_queries("run"),
    *build_week_queries("run", "2026-11-23T08:00:00.000000Z"),
    build_day_changes_query("run", "earlier"),
    build_day_history_query(date(2026, 11, 1)),
]
LIMITS = {
    **{question.name: 20 for question in QUESTIONS},
    "quality": 10,
    "week": 1,
    "week_types": 5,
    "day_changes": 2000,
    "day_history": 5000,
}


def test_every_file_is_used() -> None:
    assert FILES.keys() == LIMITS.keys() | TEMPLATES


@pytest.mark.parametrize("name", FILES)
def test_every_file_starts_with_comment(name: str) -> None:
    assert FILES[name].startswith("-- ")
    assert ";" not in FILES[name]


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.name)
def test_query_is_one_statement_with_its_parameters(query: object) -> None:
    text, parameters = query.text, query.parameters  # type: ignore[attr-defined]
    (statement,) = sqlglot.parse(text, read="athena")
    assert statement is not None
    assert len(list(statement.find_all(exp.Placeholder))) == len(parameters)
    assert not text.lstrip().startswith("--")
    assert "$" not in text


def test_each_table_has_view_with_columns_of_contract() -> None:
    for query, table in zip(
        build_view_queries(personal_data=False), list_tables(False), strict=True
    ):
        statement = sqlglot.parse_one(query.text, read="athena")
        assert statement.this.name == table.name
        assert tuple(column.alias_or_name for column in statement.expression.selects) == (
            table.columns
        )
    assert len(build_view_queries(personal_data=False)) == 4 + len(KPI_TABLES)


@pytest.mark.parametrize(
    "question", [each for each in QUESTIONS if each is not TOTALS], ids=lambda each: each.name
)
def test_question_sorts_rows_completely(question: Question) -> None:
    """Rows with the same value are sorted by their key."""
    statement = sqlglot.parse_one(FILES[question.name], read="athena")
    ordered = statement.args["order"].expressions
    key = {"recent_days": "rental_date", "vehicle_types": "vehicle_type"}.get(
        question.name, question.table.columns[0][0]
    )
    assert ordered[-1].this.name == key


@pytest.mark.parametrize("name", LIMITS)
def test_result_is_limited(name: str) -> None:
    """The function keeps the results in memory."""
    limit = sqlglot.parse_one(FILES[name], read="athena").args["limit"]
    assert 1 <= int(limit.expression.this) <= LIMITS[name]
