"""Counts of the warnings about accepted rentals.

The counts need the curated tables of a run. Their keys are unique, so the joins do not duplicate
any rental.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from contract import codes


def count_warnings(
    rentals: DataFrame, users: DataFrame, vehicles: DataFrame, locations: DataFrame
) -> DataFrame:
    """Return one row with the number of rentals that have each warning.

    Args:
        rentals: The accepted rentals.
        users: The accepted users.
        vehicles: The accepted vehicles.
        locations: The accepted locations.
    """
    references = _count_reference_warnings(rentals, users, vehicles, locations)
    return references.crossJoin(_count_overlaps(rentals))


def _count_reference_warnings(
    rentals: DataFrame, users: DataFrame, vehicles: DataFrame, locations: DataFrame
) -> DataFrame:
    user = users.select(
        F.col("user_id").alias("_user_id"),
        F.col("is_active").alias("_is_active"),
        F.col("creation_date").alias("_signup"),
    )
    vehicle = vehicles.select(F.col("vehicle_id").alias("_vehicle_id"))
    pickup = locations.select(F.col("location_id").alias("_pickup_id"))
    dropoff = locations.select(F.col("location_id").alias("_dropoff_id"))
    is_pickup_unknown = F.col("_pickup_id").isNull()
    is_dropoff_unknown = F.col("dropoff_location").isNotNull() & F.col("_dropoff_id").isNull()
    conditions = {
        codes.UNKNOWN_USER: F.col("_user_id").isNull(),
        codes.UNKNOWN_VEHICLE: F.col("_vehicle_id").isNull(),
        codes.UNKNOWN_LOCATION: is_pickup_unknown | is_dropoff_unknown,
        codes.INACTIVE_USER: ~F.col("_is_active"),
        codes.RENTAL_BEFORE_SIGNUP: F.col("rental_date") < F.col("_signup"),
    }
    return (
        rentals.join(user, F.col("user_id") == F.col("_user_id"), how="left")
        .join(vehicle, F.col("vehicle_id") == F.col("_vehicle_id"), how="left")
        .join(pickup, F.col("pickup_location") == F.col("_pickup_id"), how="left")
        .join(dropoff, F.col("dropoff_location") == F.col("_dropoff_id"), how="left")
        .agg(*_counts(conditions))
    )


def _count_overlaps(rentals: DataFrame) -> DataFrame:
    """Return the number of rentals that start before an earlier one of their vehicle ends.

    Rentals are ordered by start, then by end. The contract then orders them by ID, but the order of
    rentals with equal times does not change the number: each one but the first overlaps.
    """
    previous = (
        Window.partitionBy("vehicle_id")
        .orderBy("rental_start_time", "rental_end_time")
        .rowsBetween(Window.unboundedPreceding, -1)
    )
    latest_previous_end = F.max("rental_end_time").over(previous)
    overlaps = F.col("rental_start_time") < F.col("_latest_previous_end")
    return (
        rentals.select("vehicle_id", "rental_start_time", "rental_end_time")
        .withColumn("_latest_previous_end", latest_previous_end)
        .agg(*_counts({codes.OVERLAPPING_VEHICLE_RENTAL: overlaps}))
    )


def _counts(conditions: dict[str, Column]) -> list[Column]:
    return [F.count_if(condition).alias(code) for code, condition in conditions.items()]
