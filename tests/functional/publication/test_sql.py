"""The files in `sql/`: each is used, is valid in Athena's dialect, and sorts its rows."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlglot
from sqlglot import exp

from contract.kpi_tables import KPI_TABLES
from pipeline.publication.catalog import (
    build_question_queries,
    build_row_count_query,
    build_view_queries,
    list_tables,
)
from pipeline.publication.questions import QUESTIONS, SQL_FOLDER, TOTALS, Question
from pipeline.publication.report_email import _MAX_TABLE_ROWS

PROJECT = Path(__file__).resolve().parents[3]
FILES = {path.stem: path.read_text("utf-8") for path in sorted(SQL_FOLDER.iterdir())}
TEMPLATES = {"published_view", "row_counts", "single_run"}
QUERIES = [
    *build_view_queries(personal_data=True),
    build_row_count_query("run"),
    *build_question_queries("run"),
]


def test_every_file_is_used() -> None:
    names = [question.name for question in QUESTIONS]
    assert sorted(FILES) == sorted([*names, "quality", *TEMPLATES])


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


@pytest.mark.parametrize("name", [*(question.name for question in QUESTIONS), "quality"])
def test_result_is_limited(name: str) -> None:
    """The function keeps the results in memory, and the email shows up to 20 rows of each."""
    limit = sqlglot.parse_one(FILES[name], read="athena").args["limit"]
    assert 1 <= int(limit.expression.this) <= _MAX_TABLE_ROWS


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda each: each.name)
def test_email_columns_are_columns_of_the_answer(question: Question) -> None:
    selects = sqlglot.parse_one(FILES[question.name], into=exp.Select, read="athena").selects
    assert set(question.email_columns) <= {column.alias_or_name for column in selects}
    assert bool(question.email_columns) == (question is not TOTALS)
