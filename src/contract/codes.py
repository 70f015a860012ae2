"""Reject codes and warning codes of the row rules."""

from __future__ import annotations

from contract.datasets import RENTALS, Dataset, InputColumn
from contract.field_formats import TextFormat

MALFORMED_ROW = "malformed_row"
END_NOT_AFTER_START = "end_not_after_start"

UNKNOWN_USER = "unknown_user"
UNKNOWN_VEHICLE = "unknown_vehicle"
UNKNOWN_LOCATION = "unknown_location"
INACTIVE_USER = "inactive_user"
RENTAL_BEFORE_SIGNUP = "rental_before_signup"
OVERLAPPING_VEHICLE_RENTAL = "overlapping_vehicle_rental"

WARNINGS = {
    UNKNOWN_USER: "No accepted user has the `user_id` of the rental.",
    UNKNOWN_VEHICLE: "No accepted vehicle has the `vehicle_id` of the rental.",
    UNKNOWN_LOCATION: "The pickup location or the dropoff location of the rental does not match an "
    "accepted location. Counted once per rental.",
    INACTIVE_USER: "The user of the rental is not active.",
    RENTAL_BEFORE_SIGNUP: "The rental starts before the day on which its user signed up.",
    OVERLAPPING_VEHICLE_RENTAL: "The rental starts before an earlier one of the same vehicle ends.",
}
"""The warning codes, with their meaning. A warning is counted and does not reject a row."""


def missing_code(column_name: str) -> str:
    """Return the reject code for an empty field of a required column."""
    return f"missing_{column_name}"


def invalid_code(column_name: str) -> str:
    """Return the reject code for a field that violates its column's type, format, or range."""
    return f"invalid_{column_name}"


def can_be_invalid(column: InputColumn) -> bool:
    """Return whether a field of the column can be invalid. A plain text column accepts any text."""
    return not isinstance(column.format, TextFormat) or column.format.regex is not None


def duplicate_code(dataset: Dataset) -> str:
    """Return the reject code for a row whose key belongs to another, accepted row."""
    return f"duplicate_{dataset.key}"


def reject_codes(dataset: Dataset) -> tuple[str, ...]:
    """Return all reject codes that rows of the dataset can have, sorted."""
    codes = {MALFORMED_ROW, duplicate_code(dataset)}
    codes |= {missing_code(column.name) for column in dataset.columns if column.required}
    codes |= {invalid_code(column.name) for column in dataset.columns if can_be_invalid(column)}
    if dataset is RENTALS:
        codes.add(END_NOT_AFTER_START)
    return tuple(sorted(codes))
