"""The queries of a report. Each one has a file in `sql/`, valid in Athena and in DuckDB alike.

They read the partitions of a run in the history tables, because readers do not see the run yet when
its report is written.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from pathlib import Path

from contract.datasets import LOCATIONS, RENTALS
from contract.kpi_tables import KPI_TABLES
from contract.layout import curated_prefix, kpi_prefix
from report.inputs import Answers, Row

SQL_FOLDER = Path(__file__).resolve().parent / "sql"
WEEK = timedelta(days=7)


@dataclass(frozen=True)
class ReportQuery:
    """A query of a report.

    Attributes:
        name: Name of the query and of its answer.
        text: SQL.
        parameters: Values of the question marks in the SQL, in order.
    """

    name: str
    text: str
    parameters: tuple[str, ...]


@dataclass(frozen=True)
class QueriedTable:
    """A table whose history the queries read.

    Attributes:
        name: Name of the table.
        columns: Its columns, without personal data of KPI tables.
        get_prefix: Returns the prefix of a run's rows.
    """

    name: str
    columns: tuple[str, ...]
    get_prefix: Callable[[str], str]


Ask = Callable[[Sequence[ReportQuery]], list[list[Row]]]
"""Runs queries and returns the rows of each."""

_QUERIES_OF_RUN = (
    *("totals", "days", "fleet", "cities", "locations", "location_distribution", "users"),
    "coordinates",
)
_QUERIES_OF_TWO_RUNS = ("changes", "changed_days")


def collect_answers(
    ask: Ask, run_id: str, previous_run_id: str | None, claimed_on: date
) -> Answers:
    """Ask everything that a report needs.

    Args:
        ask: Runs the queries.
        run_id: ID of the run.
        previous_run_id: ID of the run with which it is compared, if any.
        claimed_on: The day of the run's claim. Rentals in its future do not count as the most
            recent ones.
    """
    queries = [_query(name, run_id) for name in _QUERIES_OF_RUN]
    queries.append(build_sums_query(run_id))
    if previous_run_id:
        queries += [_query(name, previous_run_id, run_id) for name in _QUERIES_OF_TWO_RUNS]
    answers = _ask_by_name(ask, queries)
    if last_day := find_last_day(answers["days"], claimed_on):
        answers |= _ask_by_name(ask, [_build_weeks_query(run_id, last_day)])
    return answers


def find_last_day(days: Sequence[Row], claimed_on: date) -> date | None:
    """Return the last day with rentals that is not after the claim, if any."""
    dates = (date.fromisoformat(row["day"]) for row in days if row["day"])
    return max((day for day in dates if day <= claimed_on), default=None)


def build_sums_query(run_id: str) -> ReportQuery:
    """Return the query for the sums of all KPI tables, and of the accepted rentals."""
    sources = [(table.name, table.count_column, table.revenue_column) for table in KPI_TABLES]
    sources.append((RENTALS.name, "1", "total_amount"))
    template = read_sql("sums")
    selects = (
        template.replace("$table", name).replace("$rentals", rentals).replace("$revenue", revenue)
        for name, rentals, revenue in sources
    )
    text = "UNION ALL\n".join(selects) + "ORDER BY 1\n"
    return ReportQuery("sums", text, (run_id,) * len(sources))


def read_sql(name: str) -> str:
    """Return a file of `sql/` without its comments at the beginning: Athena rejects some."""
    lines = (SQL_FOLDER / f"{name}.sql").read_text("utf-8").splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith("--"))


def list_queried_tables() -> list[QueriedTable]:
    """Return the tables whose history tables the queries read."""
    return [
        QueriedTable(table.name, _names(table.columns), partial(kpi_prefix, table))
        for table in KPI_TABLES
    ] + [
        QueriedTable(
            dataset.name, _names(dataset.curated_columns), partial(curated_prefix, dataset)
        )
        for dataset in (RENTALS, LOCATIONS)
    ]


def _names(columns: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    return tuple(name for name, _ in columns)


def _query(name: str, *parameters: str) -> ReportQuery:
    return ReportQuery(name, read_sql(name), parameters)


def _build_weeks_query(run_id: str, last_day: date) -> ReportQuery:
    first_of_last = last_day - WEEK + timedelta(days=1)
    first_of_before = first_of_last - WEEK
    days = [day.isoformat() for day in (first_of_before, last_day)]
    return _query("weeks", first_of_last.isoformat(), run_id, *days)


def _ask_by_name(ask: Ask, queries: Sequence[ReportQuery]) -> dict[str, list[Row]]:
    names = (query.name for query in queries)
    return dict(zip(names, ask(queries), strict=True))
