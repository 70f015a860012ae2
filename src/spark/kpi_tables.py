"""The KPI tables as functions of accepted rows.

Every table includes every rental: dimensions are joined with left joins, so the revenue of each
table adds up to the same total.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from contract.kpi_tables import UNKNOWN_MEMBER
from spark.cleaning.rows import SECONDS_PER_HOUR, to_hours

RENTAL_COLUMNS = (
    "user_id",
    "vehicle_id",
    "pickup_location",
    "rental_date",
    "total_amount",
    "rental_duration_seconds",
    "rental_duration_hours",
)
"""The columns of accepted rentals that the tables need."""


def location_metrics(rentals: DataFrame, locations: DataFrame) -> DataFrame:
    """Return one row per pickup location. An unknown location has no name, city, or state."""
    metrics = rentals.groupBy(F.col("pickup_location").alias("location_id")).agg(
        *_count_and_revenue(),
        *_max_and_min(),
        _total_hours(),
        F.count_distinct("vehicle_id").alias("unique_vehicles"),
    )
    names = locations.select("location_id", "location_name", "city", "state")
    return metrics.join(names, on="location_id", how="left")


def vehicle_metrics(rentals: DataFrame, vehicles: DataFrame) -> DataFrame:
    """Return one row per vehicle type and brand. Rentals of unknown vehicles share one row."""
    models = vehicles.select("vehicle_id", "vehicle_type", "brand")
    group = [
        F.coalesce(F.col(name), F.lit(UNKNOWN_MEMBER)).alias(name)
        for name in ("vehicle_type", "brand")
    ]
    seconds, count = F.sum("rental_duration_seconds"), F.count(F.lit(1))
    return (
        rentals.join(models, on="vehicle_id", how="left")
        .groupBy(*group)
        .agg(
            *_count_and_revenue(count="total_rentals"),
            _total_hours(),
            _average(seconds, count * SECONDS_PER_HOUR).alias("avg_rental_duration"),
            F.min("rental_duration_hours").alias("min_rental_duration"),
            F.max("rental_duration_hours").alias("max_rental_duration"),
            F.count_distinct("vehicle_id").alias("unique_vehicles"),
        )
    )


def daily_metrics(rentals: DataFrame) -> DataFrame:
    """Return one row per day on which at least one rental starts."""
    return rentals.groupBy("rental_date").agg(
        *_count_and_revenue(), *_max_and_min(), F.count_distinct("user_id").alias("unique_users")
    )


def transaction_metrics(rentals: DataFrame) -> DataFrame:
    """Return one row for the complete run, even if there are no rentals."""
    return rentals.agg(
        *_count_and_revenue(),
        *_max_and_min("overall_max_transaction", "overall_min_transaction"),
        _total_hours(),
        F.count_distinct("user_id").alias("unique_users"),
        F.count_distinct("vehicle_id").alias("unique_vehicles"),
        F.min("rental_date").alias("first_rental_date"),
        F.max("rental_date").alias("last_rental_date"),
    )


def user_metrics(rentals: DataFrame) -> DataFrame:
    """Return one row per user with at least one rental, including unknown users."""
    return rentals.groupBy("user_id").agg(
        *_count_and_revenue(revenue="total_spending"),
        *_max_and_min("max_spending", "min_spending"),
        _total_hours(),
    )


def add_personal_data(metrics: DataFrame, users: DataFrame) -> DataFrame:
    """Add names and email addresses to `user_metrics`; they are null for unknown users."""
    personal_data = users.select("user_id", "first_name", "last_name", "email")
    return metrics.join(personal_data, on="user_id", how="left")


def _count_and_revenue(
    count: str = "total_transactions", revenue: str = "total_revenue"
) -> list[Column]:
    """Return the number of rentals, their revenue, and the average revenue of a rental."""
    total, rentals = F.sum("total_amount"), F.count(F.lit(1))
    return [
        rentals.alias(count),
        F.coalesce(total, F.lit(0)).alias(revenue),
        _average(total, rentals).alias("average_transaction"),
    ]


def _max_and_min(
    maximum: str = "max_transaction", minimum: str = "min_transaction"
) -> list[Column]:
    return [F.max("total_amount").alias(maximum), F.min("total_amount").alias(minimum)]


def _total_hours() -> Column:
    total = F.round(to_hours(F.sum("rental_duration_seconds")), 2)
    return F.coalesce(total, F.lit(0)).alias("total_rental_hours")


def _average(total: Column, count: Column) -> Column:
    """Return the average, rounded half up to two decimal places; null if `count` is zero.

    Spark computes this division to 18 decimal places, so only the rounding here can affect the
    second decimal place.
    """
    divisor = F.when(count > 0, count).cast("decimal(20,0)")
    return F.round(total.cast("decimal(20,2)") / divisor, 2)
