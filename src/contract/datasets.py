"""The four input files and their columns (data contract, sections 1 and 2)."""

from __future__ import annotations

from dataclasses import dataclass

from contract.field_formats import Decimal, Flag, Integer, Kind, Moment, Text


@dataclass(frozen=True)
class Column:
    """One column of an input file; `required` means that it must not be empty."""

    name: str
    kind: Kind
    required: bool = False

    @property
    def sql_type(self) -> str:
        """The column's type once read, in the words that Spark, Glue and Athena share."""
        return self.kind.sql_type


@dataclass(frozen=True)
class Dataset:
    """One input file: its columns in the contract's order, and its key.

    `multiline` says whether a quoted field may hold line breaks. `derived` columns are computed,
    and stand behind the others in the curated table; each is a pair of name and SQL type.
    """

    name: str
    file: str
    key: str
    columns: tuple[Column, ...]
    multiline: bool
    derived: tuple[tuple[str, str], ...] = ()

    @property
    def column_names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    @property
    def curated_columns(self) -> tuple[tuple[str, str], ...]:
        """Name and SQL type of each column of the curated table."""
        return tuple((column.name, column.sql_type) for column in self.columns) + self.derived


_ISO_DATE = Moment("yyyy-MM-dd")
_ISO_TIME = Moment("yyyy-MM-dd HH:mm:ss")

USERS = Dataset(
    name="users",
    file="users.csv",
    key="user_id",
    multiline=True,
    columns=(
        Column("user_id", Text(), required=True),
        Column("first_name", Text()),
        Column("last_name", Text()),
        Column("email", Text(case="lower"), required=True),
        Column("phone_number", Text(), required=True),
        Column("driver_license_number", Text()),
        Column("driver_license_expiry", _ISO_DATE),
        Column("creation_date", _ISO_DATE, required=True),
        Column("is_active", Flag(), required=True),
    ),
)

VEHICLES = Dataset(
    name="vehicles",
    file="vehicles.csv",
    key="vehicle_id",
    multiline=True,
    columns=(
        Column("active", Flag(), required=True),
        Column("vehicle_license_number", Text(), required=True),
        Column("registration_name", Text()),
        Column("license_type", Text()),
        Column("expiration_date", Moment("dd-MM-yyyy"), required=True),
        Column("permit_license_number", Text()),
        Column("certification_date", _ISO_DATE),
        Column("vehicle_year", Integer()),
        Column("base_telephone_number", Text()),
        Column("base_address", Text()),
        Column("vehicle_id", Text(), required=True),
        Column("last_update_timestamp", Moment("dd-MM-yyyy HH:mm:ss")),
        Column("brand", Text(), required=True),
        Column("vehicle_type", Text(), required=True),
    ),
)

LOCATIONS = Dataset(
    name="locations",
    file="locations.csv",
    key="location_id",
    multiline=True,
    columns=(
        Column("location_id", Text(), required=True),
        Column("location_name", Text(), required=True),
        Column("address", Text(), required=True),
        Column("city", Text(), required=True),
        Column("state", Text(case="upper"), required=True),
        Column("zip_code", Text(pattern="[0-9]{5}", words="five digits"), required=True),
        Column("latitude", Decimal(9, 6, -90, 90, rounded=True), required=True),
        Column("longitude", Decimal(9, 6, -180, 180, rounded=True), required=True),
    ),
)

RENTALS = Dataset(
    name="rentals",
    file="rental_transactions.csv",
    key="rental_id",
    multiline=False,  # no free text, so a large file can be split
    columns=(
        Column("rental_id", Text(), required=True),
        Column("user_id", Text(), required=True),
        Column("vehicle_id", Text(), required=True),
        Column("rental_start_time", _ISO_TIME, required=True),
        Column("rental_end_time", _ISO_TIME, required=True),
        Column("pickup_location", Text(), required=True),
        Column("dropoff_location", Text()),
        Column("total_amount", Decimal(12, 2, 0), required=True),
    ),
    derived=(
        ("rental_duration_seconds", "bigint"),
        ("rental_duration_hours", "decimal(10,2)"),
        ("rental_date", "date"),
    ),
)

DATASETS = (USERS, VEHICLES, LOCATIONS, RENTALS)
