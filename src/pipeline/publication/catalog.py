"""The tables as Athena knows them, and the queries over them: views, row counts, questions.

The crawler catalogues each table's runs as `history_<table>`; the view `<table>` shows the newest
published one. The SQL lies in `sql/`; names of tables and columns come from the contract alone, and
whatever else is a parameter.
"""

from __future__ import annotations

from dataclasses import dataclass
from string import Template

from contract.datasets import DATASETS, RENTALS
from contract.kpi_tables import KPI_TABLES, KpiTable
from pipeline.aws.athena import Query
from pipeline.publication.questions import QUESTIONS, SQL_FOLDER


@dataclass(frozen=True)
class CatalogTable:
    """A table of a run; `rentals` and `revenue` are what adds up to the run's, `0` for nothing."""

    name: str
    columns: tuple[str, ...]
    rentals: str = "0"
    revenue: str = "0"


def list_tables(personal_data: bool) -> list[CatalogTable]:
    """All tables, with the columns that readers see."""
    curated = [
        CatalogTable(
            dataset.name,
            tuple(name for name, _ in dataset.curated_columns),
            *(("1", "total_amount") if dataset is RENTALS else ()),
        )
        for dataset in DATASETS
    ]
    return curated + [_kpi_table(table, personal_data) for table in KPI_TABLES]


def views(personal_data: bool) -> list[Query]:
    """What makes the view of each table, or makes it anew."""
    return [
        Query(
            f"view {table.name}",
            _sql("published_view", table=table.name, columns=_list(table.columns)),
        )
        for table in list_tables(personal_data)
    ]


def row_counts(run_id: str) -> Query:
    """One row a table: `table_name`, `row_count`, and the `rentals` and `revenue` they add up to.

    One query for all tables, since each query is charged for ten megabytes at least.
    """
    tables = list_tables(personal_data=False)
    texts = (
        _sql("row_counts", table=table.name, rentals=table.rentals, revenue=table.revenue)
        for table in tables
    )
    return Query("row counts", "UNION ALL\n".join(texts), (run_id,) * len(tables))


def question_queries(run_id: str) -> list[Query]:
    """Return the query of each question about a run."""
    return [
        Query(
            question.name,
            _of_run(_kpi_table(question.table, personal_data=False)) + _sql(question.name),
            (run_id,),
        )
        for question in QUESTIONS
    ]


def _kpi_table(table: KpiTable, personal_data: bool) -> CatalogTable:
    columns = tuple(name for name, _ in table.columns_for(personal_data))
    return CatalogTable(table.name, columns, table.count_column, table.revenue_column)


def _of_run(table: CatalogTable) -> str:
    return _sql("single_run", table=table.name, columns=_list(table.columns))


def _list(columns: tuple[str, ...]) -> str:
    return ",\n    ".join(columns)


def _sql(name: str, **identifiers: str) -> str:
    """A file of `sql/` without its comments: not all of Athena's statements may begin with one."""
    lines = (SQL_FOLDER / f"{name}.sql").read_text("utf-8").splitlines(keepends=True)
    text = "".join(line for line in lines if not line.startswith("--"))
    return Template(text).substitute(identifiers)
