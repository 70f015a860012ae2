"""The four input files and their columns."""

from __future__ import annotations

from dataclasses import dataclass

from contract.field_formats import (
    BooleanFormat,
    DecimalFormat,
    FieldFormat,
    IntegerFormat,
    TextFormat,
    TimestampFormat,
)


@dataclass(frozen=True)
class InputColumn:
    """A column of an input file.

    Attributes:
        name: The column's name, in the header and in the curated table.
        format: The type of the values and how they are written.
        required: Whether a row with an empty field in this column is rejected.
    """

    name: str
    format: FieldFormat
    required: bool = False

    @property
    def sql_type(self) -> str:
        """The column's SQL type in the curated table, spelled as Spark, Glue, and Athena expect."""
        return self.format.sql_type


@dataclass(frozen=True)
class Dataset:
    """One of the four input files.

    Attributes:
        name: The dataset's name, which is also the name of its curated table.
        file: The file name, without a prefix.
        key: The column that identifies a row.
        columns: The columns, in the order of the contract.
        multiline: Whether a quoted field may contain line breaks.
        derived: The computed columns that follow the others in the curated table, as pairs of
            column name and SQL type.
    """

    name: str
    file: str
    key: str
    columns: tuple[InputColumn, ...]
    multiline: bool
    derived: tuple[tuple[str, str], ...] = ()

    @property
    def column_names(self) -> tuple[str, ...]:
        """The names of the columns, in the order of the contract."""
        return tuple(column.name for column in self.columns)

    @property
    def curated_columns(self) -> tuple[tuple[str, str], ...]:
        """The columns of the curated table, as pairs of column name and SQL type."""
        return tuple((column.name, column.sql_type) for column in self.columns) + self.derived


_ISO_DATE = TimestampFormat("yyyy-MM-dd")
_ISO_TIME = TimestampFormat("yyyy-MM-dd HH:mm:ss")

USERS = Dataset(
    name="users",
    file="users.csv",
    key="user_id",
    multiline=True,
    columns=(
        InputColumn("user_id", TextFormat(), required=True),
        InputColumn("first_name", TextFormat()),
        InputColumn("last_name", TextFormat()),
        InputColumn("email", TextFormat(case="lower"), required=True),
        InputColumn("phone_number", TextFormat(), required=True),
        InputColumn("driver_license_number", TextFormat()),
        InputColumn("driver_license_expiry", _ISO_DATE),
        InputColumn("creation_date", _ISO_DATE, required=True),
        InputColumn("is_active", BooleanFormat(), required=True),
    ),
)

VEHICLES = Dataset(
    name="vehicles",
    file="vehicles.csv",
    key="vehicle_id",
    multiline=True,
    columns=(
        InputColumn("active", BooleanFormat(), required=True),
        InputColumn("vehicle_license_number", TextFormat(), required=True),
        InputColumn("registration_name", TextFormat()),
        InputColumn("license_type", TextFormat()),
        InputColumn("expiration_date", TimestampFormat("dd-MM-yyyy"), required=True),
        InputColumn("permit_license_number", TextFormat()),
        InputColumn("certification_date", _ISO_DATE),
        InputColumn("vehicle_year", IntegerFormat()),
        InputColumn("base_telephone_number", TextFormat()),
        InputColumn("base_address", TextFormat()),
        InputColumn("vehicle_id", TextFormat(), required=True),
        InputColumn("last_update_timestamp", TimestampFormat("dd-MM-yyyy HH:mm:ss")),
        InputColumn("brand", TextFormat(), required=True),
        InputColumn("vehicle_type", TextFormat(), required=True),
    ),
)

LOCATIONS = Dataset(
    name="locations",
    file="locations.csv",
    key="location_id",
    multiline=True,
    columns=(
        InputColumn("location_id", TextFormat(), required=True),
        InputColumn("location_name", TextFormat(), required=True),
        InputColumn("address", TextFormat(), required=True),
        InputColumn("city", TextFormat(), required=True),
        InputColumn("state", TextFormat(case="upper"), required=True),
        InputColumn(
            "zip_code", TextFormat(regex="[0-9]{5}", description="five digits"), required=True
        ),
        InputColumn("latitude", DecimalFormat(9, 6, -90, 90, round_excess=True), required=True),
        InputColumn("longitude", DecimalFormat(9, 6, -180, 180, round_excess=True), required=True),
    ),
)

RENTALS = Dataset(
    name="rentals",
    file="rental_transactions.csv",
    key="rental_id",
    multiline=False,  # without free text, Spark can split a large file
    columns=(
        InputColumn("rental_id", TextFormat(), required=True),
        InputColumn("user_id", TextFormat(), required=True),
        InputColumn("vehicle_id", TextFormat(), required=True),
        InputColumn("rental_start_time", _ISO_TIME, required=True),
        InputColumn("rental_end_time", _ISO_TIME, required=True),
        InputColumn("pickup_location", TextFormat(), required=True),
        InputColumn("dropoff_location", TextFormat()),
        InputColumn("total_amount", DecimalFormat(12, 2, 0), required=True),
    ),
    derived=(
        ("rental_duration_seconds", "bigint"),
        ("rental_duration_hours", "decimal(10,2)"),
        ("rental_date", "date"),
    ),
)

DATASETS = (USERS, VEHICLES, LOCATIONS, RENTALS)
