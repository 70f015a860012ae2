"""The questions that the report of a run answers. Each one has a file in `sql/`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from contract.kpi_tables import (
    DAILY_METRICS,
    LOCATION_METRICS,
    TRANSACTION_METRICS,
    USER_METRICS,
    VEHICLE_METRICS,
    KpiTable,
)

# Defined here, not in `catalog`, so that it can be read without any AWS package.
SQL_FOLDER = Path(__file__).resolve().parent / "sql"


@dataclass(frozen=True)
class Question:
    """A question about a run.

    Attributes:
        name: Name of its file in `sql/`, and of its answer.
        title: Title of the answer.
        table: The KPI table that the query reads.
    """

    name: str
    title: str
    table: KpiTable


TOTALS = Question("totals", "Totals", TRANSACTION_METRICS)

QUESTIONS = (
    TOTALS,
    Question("top_locations", "Locations with the highest revenue", LOCATION_METRICS),
    Question("vehicle_types", "Vehicle types with the most rentals", VEHICLE_METRICS),
    Question("top_users", "Users with the highest spending", USER_METRICS),
    Question("recent_days", "Most recent days", DAILY_METRICS),
)
"""All questions, in the order in which their answers are shown."""
