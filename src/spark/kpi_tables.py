"""The KPI tables, each a function of accepted rows (data contract, section 4).

Every rental counts in every table: dimensions are joined from the left, so the revenue of each
table adds up to the same total.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from contract.kpi_tables import UNKNOWN_MEMBER
from spark.cleaning.rows import SECONDS_AN_HOUR, hours

RENTAL_COLUMNS = (
    "user_id",
    "vehicle_id",
    "pickup_location",
    "rental_date",
    "total_amount",
    "rental_duration_seconds",
    "rental_duration_hours",
)
"""What the tables need of an accepted rental."""


def location_metrics(rentals: DataFrame, locations: DataFrame) -> DataFrame:
    """A row a pickup location; its name, city and state are null where the location is unknown."""
    metrics = rentals.groupBy(F.col("pickup_location").alias("location_id")).agg(
        *_amounts(),
        *_extremes(),
        *_hours(),
        F.count_distinct("vehicle_id").alias("unique_vehicles"),
    )
    names = locations.select("location_id", "location_name", "city", "state")
    return metrics.join(names, on="location_id", how="left")


def vehicle_metrics(rentals: DataFrame, vehicles: DataFrame) -> DataFrame:
    """A row a vehicle type and brand; rentals of unknown vehicles share one row."""
    kinds = vehicles.select("vehicle_id", "vehicle_type", "brand")
    member = [
        F.coalesce(F.col(name), F.lit(UNKNOWN_MEMBER)).alias(name)
        for name in ("vehicle_type", "brand")
    ]
    seconds, count = F.sum("rental_duration_seconds"), F.count(F.lit(1))
    return (
        rentals.join(kinds, on="vehicle_id", how="left")
        .groupBy(*member)
        .agg(
            *_amounts(count="total_rentals"),
            *_hours(),
            _average(seconds, count * SECONDS_AN_HOUR).alias("avg_rental_duration"),
            F.min("rental_duration_hours").alias("min_rental_duration"),
            F.max("rental_duration_hours").alias("max_rental_duration"),
            F.count_distinct("vehicle_id").alias("unique_vehicles"),
        )
    )


def daily_metrics(rentals: DataFrame) -> DataFrame:
    """A row a day on which a rental starts."""
    return rentals.groupBy("rental_date").agg(
        *_amounts(), *_extremes(), F.count_distinct("user_id").alias("unique_users")
    )


def transaction_metrics(rentals: DataFrame) -> DataFrame:
    """One row about the whole run, also where there is no rental."""
    return rentals.agg(
        *_amounts(),
        *_extremes("overall_max_transaction", "overall_min_transaction"),
        *_hours(),
        F.count_distinct("user_id").alias("unique_users"),
        F.count_distinct("vehicle_id").alias("unique_vehicles"),
        F.min("rental_date").alias("first_rental_date"),
        F.max("rental_date").alias("last_rental_date"),
    )


def user_metrics(rentals: DataFrame) -> DataFrame:
    """A row a user with at least one rental, known or not."""
    return rentals.groupBy("user_id").agg(
        *_amounts(revenue="total_spending"),
        *_extremes("max_spending", "min_spending"),
        *_hours(),
    )


def with_names(metrics: DataFrame, users: DataFrame) -> DataFrame:
    """`user_metrics` with the users' personal data; null where the user is unknown."""
    names = users.select("user_id", "first_name", "last_name", "email")
    return metrics.join(names, on="user_id", how="left")


def _amounts(count: str = "total_transactions", revenue: str = "total_revenue") -> list[Column]:
    """The number of rentals, what they brought, and what one brings on average."""
    total, rentals = F.sum("total_amount"), F.count(F.lit(1))
    return [
        rentals.alias(count),
        F.coalesce(total, F.lit(0)).alias(revenue),
        _average(total, rentals).alias("average_transaction"),
    ]


def _extremes(largest: str = "max_transaction", smallest: str = "min_transaction") -> list[Column]:
    return [F.max("total_amount").alias(largest), F.min("total_amount").alias(smallest)]


def _hours() -> list[Column]:
    total = F.round(hours(F.sum("rental_duration_seconds")), 2)
    return [F.coalesce(total, F.lit(0)).alias("total_rental_hours")]


def _average(total: Column, count: Column) -> Column:
    """Rounded half up to two decimals; null where there is nothing to divide.

    Spark keeps 18 digits of a division of such decimals, so the rounding here is the only one that
    can show in the second.
    """
    divisor = F.when(count > 0, count).cast("decimal(20,0)")
    return F.round(total.cast("decimal(20,2)") / divisor, 2)
