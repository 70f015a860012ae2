"""The codes of the row rules (contract, section 3): why a row is rejected, what is remarked."""

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

WARNINGS = (
    UNKNOWN_USER,
    UNKNOWN_VEHICLE,
    UNKNOWN_LOCATION,
    INACTIVE_USER,
    RENTAL_BEFORE_SIGNUP,
    OVERLAPPING_VEHICLE_RENTAL,
)


def missing_code(column_name: str) -> str:
    """The code for a required column that is empty."""
    return f"missing_{column_name}"


def invalid_code(column_name: str) -> str:
    """The code for a field that is not of its column's type, format or range."""
    return f"invalid_{column_name}"


def can_be_invalid(column: InputColumn) -> bool:
    """Whether some text is no value of the column; any text is one of a plain text column."""
    return not isinstance(column.kind, TextFormat) or column.kind.pattern is not None


def duplicate_code(dataset: Dataset) -> str:
    """The code for a row whose key another valid row has, which was kept."""
    return f"duplicate_{dataset.key}"


def reject_codes(dataset: Dataset) -> tuple[str, ...]:
    """Every code that a rejected row of the dataset can carry, sorted."""
    codes = {MALFORMED_ROW, duplicate_code(dataset)}
    codes |= {missing_code(column.name) for column in dataset.columns if column.required}
    codes |= {invalid_code(column.name) for column in dataset.columns if can_be_invalid(column)}
    if dataset is RENTALS:
        codes.add(END_NOT_AFTER_START)
    return tuple(sorted(codes))
