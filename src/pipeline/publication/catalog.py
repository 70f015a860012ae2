"""The queries that the pipeline runs in Athena: views, row counts, and questions.

The crawler catalogs the runs of each table as `history_<table>`. The view `<table>` shows the rows
of the published run. The SQL is in `sql/`. The names of tables and columns come from the contract;
every other value is a query parameter.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from string import Template

from contract.datasets import DATASETS, RENTALS
from contract.kpi_tables import KPI_TABLES, KpiTable
from pipeline.aws.athena import Query
from pipeline.publication.questions import QUESTIONS, SQL_FOLDER


@dataclass(frozen=True)
class CatalogTable:
    """A table in the catalog.

    Attributes:
        name: Name of the view.
        columns: Names of the columns that readers see.
        rentals: SQL expression for the number of rentals in a row. `0` if rows are not rentals.
        revenue: SQL expression for the revenue of a row. `0` if rows have no revenue.
    """

    name: str
    columns: tuple[str, ...]
    rentals: str = "0"
    revenue: str = "0"


def list_tables(personal_data: bool) -> list[CatalogTable]:
    """Return all curated tables and KPI tables.

    Args:
        personal_data: Whether the tables have the columns with personal data.
    """
    curated = [
        CatalogTable(
            dataset.name,
            tuple(name for name, _ in dataset.curated_columns),
            *(("1", "total_amount") if dataset is RENTALS else ()),
        )
        for dataset in DATASETS
    ]
    return curated + [_catalog_kpi_table(table, personal_data) for table in KPI_TABLES]


def build_view_queries(personal_data: bool) -> list[Query]:
    """Return the statements that create or replace the view of each table.

    Args:
        personal_data: Whether the views have the columns with personal data.
    """
    return [
        Query(
            f"view {table.name}",
            _read_sql("published_view", table=table.name, columns=_join(table.columns)),
        )
        for table in list_tables(personal_data)
    ]


def build_row_count_query(run_id: str) -> Query:
    """Return the query that counts the rows of a run in each table.

    It is one query for all tables because Athena charges at least 10 MB for each query. A row of
    its result has the columns `table_name`, `row_count`, `rentals`, and `revenue`. The last two are
    totals, and zero for tables that have none.
    """
    tables = list_tables(personal_data=False)
    selects = (
        _read_sql("row_counts", table=table.name, rentals=table.rentals, revenue=table.revenue)
        for table in tables
    )
    return Query("row counts", "UNION ALL\n".join(selects), (run_id,) * len(tables))


def build_question_queries(run_id: str) -> list[Query]:
    """Return the query of each question about a run, whether or not the run is published."""
    return [
        Query(
            question.name,
            _select_run(_catalog_kpi_table(question.table, personal_data=False))
            + _read_sql(question.name),
            (run_id,),
        )
        for question in QUESTIONS
    ]


def build_week_queries(run_id: str, claimed_at: str) -> list[Query]:
    """Return the queries about the last seven days of a run, and about the seven days before.

    Args:
        run_id: ID of the run.
        claimed_at: Time of the run's claim, ISO 8601. Later days do not count.
    """
    day = claimed_at[: len("2024-05-31")]
    return [
        Query("week", _read_sql("week"), (day, day, run_id, run_id)),
        Query("week_types", _read_sql("week_types"), (run_id, day, run_id, run_id)),
    ]


def build_day_changes_query(run_id: str, previous_run_id: str | None) -> Query:
    """Return the query that compares the days of a run with those of another run.

    Args:
        run_id: ID of the run.
        previous_run_id: ID of the run that was published before. None if there was none.
    """
    # No run has an empty ID.
    return Query("day changes", _read_sql("day_changes"), (run_id, previous_run_id or ""))


def build_day_history_query(day: date) -> Query:
    """Return the query of what each publication record says about a day."""
    return Query("day history", _read_sql("day_history"), (day.isoformat(),))


def _catalog_kpi_table(table: KpiTable, personal_data: bool) -> CatalogTable:
    columns = tuple(name for name, _ in table.columns_for(personal_data))
    return CatalogTable(table.name, columns, table.count_column, table.revenue_column)


def _select_run(table: CatalogTable) -> str:
    return _read_sql("single_run", table=table.name, columns=_join(table.columns))


def _join(columns: tuple[str, ...]) -> str:
    return ",\n    ".join(columns)


def _read_sql(name: str, **identifiers: str) -> str:
    """Read a file of `sql/` without its comments: Athena rejects some statements after a comment.

    Args:
        name: Name of the file without its suffix.
        **identifiers: Names of tables and columns, by placeholder.
    """
    lines = (SQL_FOLDER / f"{name}.sql").read_text("utf-8").splitlines(keepends=True)
    text = "".join(line for line in lines if not line.startswith("--"))
    return Template(text).substitute(identifiers)
