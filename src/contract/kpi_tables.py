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
        row_description: What one row of the table describes.
        columns: The columns as pairs of column name and SQL type, starting with the table's key.
        count_column: The column whose sum over all rows is the number of accepted rentals.
        revenue_column: The column whose sum over all rows is the revenue of these rentals.
        personal_columns: The columns that are added only if personal data is on.
    """

    name: str
    row_description: str
    columns: Columns
    count_column: str = "total_transactions"
    revenue_column: str = "total_revenue"
    personal_columns: Columns = ()

    def columns_for(self, personal_data: bool) -> Columns:
        """Return the columns of a run, with or without personal data."""
        return self.columns + (self.personal_columns if personal_data else ())


LOCATION_METRICS = KpiTable(
    name="location_metrics",
    row_description="pickup location",
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
    row_description="vehicle type and brand",
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
    row_description="day on which rentals start",
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
    row_description="run",
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
    row_description="user with at least one rental",
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

COLUMN_DESCRIPTIONS = {
    "location_id": "ID of the pickup location",
    "location_name": "name of the location; null if the location is unknown",
    "city": "city of the location; null if the location is unknown",
    "state": "state of the location; null if the location is unknown",
    "vehicle_type": "type of the vehicle, or `unknown`",
    "brand": "brand of the vehicle, or `unknown`",
    "rental_date": "start date of the rentals",
    "user_id": "ID of the user",
    "first_name": "first name of the user",
    "last_name": "last name of the user",
    "email": "email address of the user",
    "total_transactions": "number of rentals",
    "total_rentals": "number of rentals",
    "total_revenue": "sum of the amounts",
    "total_spending": "sum of the amounts",
    "average_transaction": "average amount per rental",
    "max_transaction": "largest amount",
    "min_transaction": "smallest amount",
    "overall_max_transaction": "largest amount",
    "overall_min_transaction": "smallest amount",
    "max_spending": "largest amount",
    "min_spending": "smallest amount",
    "total_rental_hours": "sum of the durations, in hours",
    "avg_rental_duration": "average duration per rental, in hours",
    "min_rental_duration": "shortest duration, in hours",
    "max_rental_duration": "longest duration, in hours",
    "unique_users": "number of distinct users",
    "unique_vehicles": "number of distinct vehicles",
    "first_rental_date": "earliest start date",
    "last_rental_date": "latest start date",
}
"""The meaning of each column of the KPI tables. A column means the same in every table."""

UNKNOWN_MEMBER = "unknown"
"""The vehicle type and brand of rentals whose vehicle is unknown."""
