"""The files of `sql/`: Athena's dialect, portable questions, and all of them in use."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlglot
from sqlglot import exp

from cli.summary import QUESTIONS as SUMMARY
from contract.kpi_tables import KPI_TABLES
from pipeline.publication.catalog import (
    QUESTIONS,
    SQL_FOLDER,
    catalogue_tables,
    questions,
    row_counts,
    views,
)

PROJECT = Path(__file__).resolve().parents[2]
FILES = {path.stem: path.read_text("utf-8") for path in sorted(SQL_FOLDER.iterdir())}
TEMPLATES = {"current_view", "row_counts", "of_run"}
QUERIES = [*views(personal_data=True), row_counts("run"), *questions("run")]


def test_every_file_is_in_use() -> None:
    assert set(FILES) == {*QUESTIONS, "quality", *TEMPLATES}
    assert set(SUMMARY) == set(QUESTIONS)


@pytest.mark.parametrize("name", FILES)
def test_every_file_says_what_it_is_for(name: str) -> None:
    assert FILES[name].startswith("-- ")
    assert ";" not in FILES[name]


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.name)
def test_what_is_sent_is_one_statement_with_its_parameters(query: object) -> None:
    text, parameters = query.text, query.parameters  # type: ignore[attr-defined]
    (statement,) = sqlglot.parse(text, read="athena")
    assert statement is not None
    assert len(list(statement.find_all(exp.Placeholder))) == len(parameters)
    assert not text.lstrip().startswith("--")
    assert "$" not in text


def test_there_is_a_view_of_each_table_with_the_contracts_columns() -> None:
    for query, table in zip(views(personal_data=False), catalogue_tables(False), strict=True):
        statement = sqlglot.parse_one(query.text, read="athena")
        assert statement.this.name == table.name
        assert tuple(column.alias_or_name for column in statement.expression.selects) == (
            table.columns
        )
    assert len(views(personal_data=False)) == 4 + len(KPI_TABLES)


@pytest.mark.parametrize("name", sorted(set(QUESTIONS) - {"totals"}))
def test_answers_come_in_one_order(name: str) -> None:
    """Rows that are equal in what is asked for are put in order by their key."""
    statement = sqlglot.parse_one(FILES[name], read="athena")
    ordered = statement.args["order"].expressions
    key = {"last_days": "rental_date", "vehicle_types": "vehicle_type"}.get(
        name, QUESTIONS[name].columns[0][0]
    )
    assert ordered[-1].this.name == key
