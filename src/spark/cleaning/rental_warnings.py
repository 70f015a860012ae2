"""What is remarkable about an accepted rental, without making it wrong (contract, section 3)."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from contract import codes

_END_BEFORE = "_latest_end_before"


def with_context(
    rentals: DataFrame, users: DataFrame, vehicles: DataFrame, locations: DataFrame
) -> DataFrame:
    """The accepted rentals with what `warning_counts` needs to know beside them.

    Takes the accepted rows of each dataset. Keys are unique there, so no rental is multiplied.
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
        rentals.withColumn(_END_BEFORE, _latest_end_before())
        .join(user, F.col("user_id") == F.col("_user_id"), how="left")
        .join(vehicle, F.col("vehicle_id") == F.col("_vehicle_id"), how="left")
        .join(pickup, F.col("pickup_location") == F.col("_pickup_id"), how="left")
        .join(dropoff, F.col("dropoff_location") == F.col("_dropoff_id"), how="left")
    )


def warning_counts() -> list[Column]:
    """One aggregate for each warning, named like it: how many rentals it is about."""
    unknown_pickup = F.col("_pickup_id").isNull()
    unknown_dropoff = F.col("dropoff_location").isNotNull() & F.col("_dropoff_id").isNull()
    conditions: dict[str, Column] = {
        codes.UNKNOWN_USER: F.col("_user_id").isNull(),
        codes.UNKNOWN_VEHICLE: F.col("_vehicle_id").isNull(),
        codes.UNKNOWN_LOCATION: unknown_pickup | unknown_dropoff,
        codes.INACTIVE_USER: ~F.col("_is_active"),
        codes.RENTAL_BEFORE_SIGNUP: F.col("rental_date") < F.col("_signup"),
        codes.OVERLAPPING_VEHICLE_RENTAL: F.col("rental_start_time") < F.col(_END_BEFORE),
    }
    return [F.count_if(condition).alias(code) for code, condition in conditions.items()]


def _latest_end_before() -> Column:
    """When the last of the vehicle's earlier rentals ends; earlier by start, then end, then id."""
    earlier = (
        Window.partitionBy("vehicle_id")
        .orderBy("rental_start_time", "rental_end_time", "rental_id")
        .rowsBetween(Window.unboundedPreceding, -1)
    )
    return F.max("rental_end_time").over(earlier)
