"""The KPI tables and their columns."""

from __future__ import annotations

from dataclasses import dataclass

_COUNT = "bigint"
_TOTAL = "decimal(18,2)"
_AMOUNT = "decimal(12,2)"
_HOURS = "decimal(10,2)"

Columns = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class KpiTable:
    """A KPI table.

    Attributes:
        name: The name of the table.
        columns: The columns as pairs of column name and SQL type, starting with the table's key.
        count_column: The column whose sum over all rows is the number of accepted rentals.
        revenue_column: The column whose sum over all rows is the revenue of these rentals.
        personal_columns: The columns that are added only if personal data is on.
    """

    name: str
    columns: Columns
    count_column: str = "total_transactions"
    revenue_column: str = "total_revenue"
    personal_columns: Columns = ()

    def columns_for(self, personal_data: bool) -> Columns:
        """Return the columns of a run, with or without personal data."""
        return self.columns + (self.personal_columns if personal_data else ())


LOCATION_METRICS = KpiTable(
    name="location_metrics",
    columns=(
        ("location_id", "string"),
        ("location_name", "string"),
        ("city", "string"),
        ("state", "string"),
        ("total_revenue", _TOTAL),
        ("total_transactions", _COUNT),
        ("average_transaction", _TOTAL),
        ("max_transaction", _AMOUNT),
        ("min_transaction", _AMOUNT),
        ("unique_vehicles", _COUNT),
        ("total_rental_hours", _TOTAL),
    ),
)

VEHICLE_METRICS = KpiTable(
    name="vehicle_metrics",
    columns=(
        ("vehicle_type", "string"),
        ("brand", "string"),
        ("total_revenue", _TOTAL),
        ("total_rentals", _COUNT),
        ("average_transaction", _TOTAL),
        ("avg_rental_duration", _HOURS),
        ("min_rental_duration", _HOURS),
        ("max_rental_duration", _HOURS),
        ("total_rental_hours", _TOTAL),
        ("unique_vehicles", _COUNT),
    ),
    count_column="total_rentals",
)

DAILY_METRICS = KpiTable(
    name="daily_metrics",
    columns=(
        ("rental_date", "date"),
        ("total_transactions", _COUNT),
        ("total_revenue", _TOTAL),
        ("average_transaction", _TOTAL),
        ("max_transaction", _AMOUNT),
        ("min_transaction", _AMOUNT),
        ("unique_users", _COUNT),
    ),
)

TRANSACTION_METRICS = KpiTable(
    name="transaction_metrics",
    columns=(
        ("total_transactions", _COUNT),
        ("total_revenue", _TOTAL),
        ("average_transaction", _TOTAL),
        ("overall_max_transaction", _AMOUNT),
        ("overall_min_transaction", _AMOUNT),
        ("total_rental_hours", _TOTAL),
        ("unique_users", _COUNT),
        ("unique_vehicles", _COUNT),
        ("first_rental_date", "date"),
        ("last_rental_date", "date"),
    ),
)

USER_METRICS = KpiTable(
    name="user_metrics",
    columns=(
        ("user_id", "string"),
        ("total_transactions", _COUNT),
        ("total_spending", _TOTAL),
        ("average_transaction", _TOTAL),
        ("max_spending", _AMOUNT),
        ("min_spending", _AMOUNT),
        ("total_rental_hours", _TOTAL),
    ),
    revenue_column="total_spending",
    personal_columns=(("first_name", "string"), ("last_name", "string"), ("email", "string")),
)

KPI_TABLES = (LOCATION_METRICS, VEHICLE_METRICS, DAILY_METRICS, TRANSACTION_METRICS, USER_METRICS)
UNKNOWN_MEMBER = "unknown"
"""The vehicle type and brand of rentals whose vehicle is unknown."""
