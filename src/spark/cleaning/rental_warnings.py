"""Warnings about accepted rentals."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from contract import codes

_PREVIOUS_END = "_latest_previous_end"


def add_warning_context(
    rentals: DataFrame, users: DataFrame, vehicles: DataFrame, locations: DataFrame
) -> DataFrame:
    """Add the columns that `warning_counts` needs to the accepted rentals.

    The arguments are the accepted rows of each dataset. Their keys are unique, so the joins do not
    duplicate any rental.
    """
    user = users.select(
        F.col("user_id").alias("_user_id"),
        F.col("is_active").alias("_is_active"),
        F.col("creation_date").alias("_signup"),
    )
    vehicle = vehicles.select(F.col("vehicle_id").alias("_vehicle_id"))
    pickup = locations.select(F.col("location_id").alias("_pickup_id"))
    dropoff = locations.select(F.col("location_id").alias("_dropoff_id"))
    return (
        rentals.withColumn(_PREVIOUS_END, _latest_previous_end())
        .join(user, F.col("user_id") == F.col("_user_id"), how="left")
        .join(vehicle, F.col("vehicle_id") == F.col("_vehicle_id"), how="left")
        .join(pickup, F.col("pickup_location") == F.col("_pickup_id"), how="left")
        .join(dropoff, F.col("dropoff_location") == F.col("_dropoff_id"), how="left")
    )


def warning_counts() -> list[Column]:
    """Return one aggregate per warning code: the number of rentals with the warning."""
    is_pickup_unknown = F.col("_pickup_id").isNull()
    is_dropoff_unknown = F.col("dropoff_location").isNotNull() & F.col("_dropoff_id").isNull()
    conditions: dict[str, Column] = {
        codes.UNKNOWN_USER: F.col("_user_id").isNull(),
        codes.UNKNOWN_VEHICLE: F.col("_vehicle_id").isNull(),
        codes.UNKNOWN_LOCATION: is_pickup_unknown | is_dropoff_unknown,
        codes.INACTIVE_USER: ~F.col("_is_active"),
        codes.RENTAL_BEFORE_SIGNUP: F.col("rental_date") < F.col("_signup"),
        codes.OVERLAPPING_VEHICLE_RENTAL: F.col("rental_start_time") < F.col(_PREVIOUS_END),
    }
    return [F.count_if(condition).alias(code) for code, condition in conditions.items()]


def _latest_previous_end() -> Column:
    """Return the latest end among the previous rentals of the same vehicle.

    Rentals are ordered by start, then by end, then by ID.
    """
    previous = (
        Window.partitionBy("vehicle_id")
        .orderBy("rental_start_time", "rental_end_time", "rental_id")
        .rowsBetween(Window.unboundedPreceding, -1)
    )
    return F.max("rental_end_time").over(previous)
