"""The KPI tables as functions of accepted rows.

Every table includes every rental: dimensions are joined with left joins, so the revenue of each
table adds up to the same total.

The tables are computed from two summaries of the rentals, one per user and day and one per vehicle
and location. A group of a summary is a distinct pair, so distinct users and vehicles are counted by
counting groups, and only the summaries read all rentals.
"""

from __future__ import annotations

from dataclasses import dataclass

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


@dataclass(frozen=True)
class Summaries:
    """Summaries of the accepted rentals, from which the tables are computed.

    Both have the columns of `_merged` and these:

    Attributes:
        users_and_days: `user_id` and `rental_date`, one row per pair.
        vehicles_and_locations: `vehicle_id` and `pickup_location`, one row per pair.
    """

    users_and_days: DataFrame
    vehicles_and_locations: DataFrame


def summarize(rentals: DataFrame) -> Summaries:
    """Return the summaries of rentals, which have the columns `RENTAL_COLUMNS`."""
    cents = (F.col("total_amount") * 100).cast("bigint")
    seconds, hours = F.col("rental_duration_seconds"), F.col("rental_duration_hours")
    measures = [
        F.count(F.lit(1)).alias("rentals"),
        F.sum("cents").alias("revenue"),
        F.max("cents").alias("max_amount"),
        F.min("cents").alias("min_amount"),
        F.sum(seconds).alias("seconds"),
    ]
    rentals = rentals.withColumn("cents", cents)
    return Summaries(
        rentals.groupBy("user_id", "rental_date").agg(*measures),
        rentals.groupBy("vehicle_id", "pickup_location").agg(
            *measures, F.max(hours).alias("max_hours"), F.min(hours).alias("min_hours")
        ),
    )


def location_metrics(summaries: Summaries, locations: DataFrame) -> DataFrame:
    """Return one row per pickup location. An unknown location has no name, city, or state."""
    metrics = summaries.vehicles_and_locations.groupBy(
        F.col("pickup_location").alias("location_id")
    ).agg(
        *_count_and_revenue(),
        *_max_and_min(),
        _total_hours(),
        F.count(F.lit(1)).alias("unique_vehicles"),
    )
    names = locations.select("location_id", "location_name", "city", "state")
    return metrics.join(names, on="location_id", how="left")


def vehicle_metrics(summaries: Summaries, vehicles: DataFrame) -> DataFrame:
    """Return one row per vehicle type and brand. Rentals of unknown vehicles share one row."""
    models = vehicles.select("vehicle_id", "vehicle_type", "brand")
    group = [
        F.coalesce(F.col(name), F.lit(UNKNOWN_MEMBER)).alias(name)
        for name in ("vehicle_type", "brand")
    ]
    return (
        summaries.vehicles_and_locations.groupBy("vehicle_id")
        .agg(*_merged("hours"))
        .join(models, on="vehicle_id", how="left")
        .groupBy(*group)
        .agg(
            *_count_and_revenue(count="total_rentals"),
            _total_hours(),
            _average(F.sum("seconds"), F.sum("rentals") * SECONDS_PER_HOUR).alias(
                "avg_rental_duration"
            ),
            F.min("min_hours").alias("min_rental_duration"),
            F.max("max_hours").alias("max_rental_duration"),
            F.count(F.lit(1)).alias("unique_vehicles"),
        )
    )


def daily_metrics(summaries: Summaries) -> DataFrame:
    """Return one row per day on which at least one rental starts."""
    return summaries.users_and_days.groupBy("rental_date").agg(
        *_count_and_revenue(), *_max_and_min(), F.count(F.lit(1)).alias("unique_users")
    )


def transaction_metrics(summaries: Summaries) -> DataFrame:
    """Return one row for the complete run, even if there are no rentals."""
    days = [F.min("rental_date").alias("first_day"), F.max("rental_date").alias("last_day")]
    users = summaries.users_and_days.groupBy("user_id").agg(*_merged(), *days)
    vehicles = summaries.vehicles_and_locations.select("vehicle_id").distinct()
    run = users.agg(
        *_count_and_revenue(),
        *_max_and_min("overall_max_transaction", "overall_min_transaction"),
        _total_hours(),
        F.count(F.lit(1)).alias("unique_users"),
        F.min("first_day").alias("first_rental_date"),
        F.max("last_day").alias("last_rental_date"),
    )
    return run.crossJoin(vehicles.agg(F.count(F.lit(1)).alias("unique_vehicles")))


def user_metrics(summaries: Summaries) -> DataFrame:
    """Return one row per user with at least one rental, including unknown users."""
    return summaries.users_and_days.groupBy("user_id").agg(
        *_count_and_revenue(revenue="total_spending"),
        *_max_and_min("max_spending", "min_spending"),
        _total_hours(),
    )


def add_personal_data(metrics: DataFrame, users: DataFrame) -> DataFrame:
    """Add names and email addresses to `user_metrics`; they are null for unknown users."""
    personal_data = users.select("user_id", "first_name", "last_name", "email")
    return metrics.join(personal_data, on="user_id", how="left")


def _merged(*extremes: str) -> list[Column]:
    """Return the aggregates that merge groups of a summary into groups of the same columns.

    Args:
        extremes: The names of columns besides `amount` that have a maximum and a minimum.
    """
    merged = [F.sum(name).alias(name) for name in ("rentals", "revenue", "seconds")]
    for name in ("amount", *extremes):
        merged += [
            F.max(f"max_{name}").alias(f"max_{name}"),
            F.min(f"min_{name}").alias(f"min_{name}"),
        ]
    return merged


def _count_and_revenue(
    count: str = "total_transactions", revenue: str = "total_revenue"
) -> list[Column]:
    """Return the number of rentals, their revenue, and the average revenue of a rental."""
    total, rentals = _money(F.sum("revenue")), F.coalesce(F.sum("rentals"), F.lit(0))
    return [
        rentals.alias(count),
        F.coalesce(total, F.lit(0)).alias(revenue),
        _average(total, rentals).alias("average_transaction"),
    ]


def _max_and_min(
    maximum: str = "max_transaction", minimum: str = "min_transaction"
) -> list[Column]:
    return [
        _money(F.max("max_amount")).alias(maximum),
        _money(F.min("min_amount")).alias(minimum),
    ]


def _money(cents: Column) -> Column:
    """Return an amount in cents as a decimal."""
    return cents.cast("decimal(18,0)") * F.lit("0.01").cast("decimal(3,2)")


def _total_hours() -> Column:
    total = F.round(to_hours(F.sum("seconds")), 2)
    return F.coalesce(total, F.lit(0)).alias("total_rental_hours")


def _average(total: Column, count: Column) -> Column:
    """Return the average, rounded half up to two decimal places; null if `count` is zero.

    Spark computes this division to 18 decimal places, so only the rounding here can affect the
    second decimal place.
    """
    divisor = F.when(count > 0, count).cast("decimal(20,0)")
    return F.round(total.cast("decimal(20,2)") / divisor, 2)
