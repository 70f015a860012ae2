"""The input files and their columns."""

from collections.abc import Callable
from typing import NamedTuple

from . import values


class RejectedFileError(Exception):
    """The file fails its file check, so a run has no expected output."""


class Column(NamedTuple):
    """A column. `parse` returns `None` for invalid text."""

    name: str
    required: bool
    parse: Callable[[str], object | None]


class Dataset(NamedTuple):
    """An input file. Only if `multiline` is set, quoted fields may contain line breaks."""

    name: str
    file: str
    key: str
    multiline: bool
    columns: tuple[Column, ...]


def _required(name: str, parse: Callable[[str], object | None] = str) -> Column:
    return Column(name, required=True, parse=parse)


def _optional(name: str, parse: Callable[[str], object | None] = str) -> Column:
    return Column(name, required=False, parse=parse)


USERS = Dataset(
    name="users",
    file="users.csv",
    key="user_id",
    multiline=True,
    columns=(
        _required("user_id"),
        _optional("first_name"),
        _optional("last_name"),
        _required("email", str.lower),
        _required("phone_number"),
        _optional("driver_license_number"),
        _optional("driver_license_expiry", values.parse_iso_date),
        _required("creation_date", values.parse_iso_date),
        _required("is_active", values.parse_boolean),
    ),
)

VEHICLES = Dataset(
    name="vehicles",
    file="vehicles.csv",
    key="vehicle_id",
    multiline=True,
    columns=(
        _required("active", values.parse_boolean),
        _required("vehicle_license_number"),
        _optional("registration_name"),
        _optional("license_type"),
        _required("expiration_date", values.parse_day_first_date),
        _optional("permit_license_number"),
        _optional("certification_date", values.parse_iso_date),
        _optional("vehicle_year", values.parse_integer),
        _optional("base_telephone_number"),
        _optional("base_address"),
        _required("vehicle_id"),
        _optional("last_update_timestamp", values.parse_day_first_timestamp),
        _required("brand"),
        _required("vehicle_type"),
    ),
)

LOCATIONS = Dataset(
    name="locations",
    file="locations.csv",
    key="location_id",
    multiline=True,
    columns=(
        _required("location_id"),
        _required("location_name"),
        _required("address"),
        _required("city"),
        _required("state", str.upper),
        _required("zip_code", values.parse_zip_code),
        _required("latitude", values.coordinate_parser(90)),
        _required("longitude", values.coordinate_parser(180)),
    ),
)

RENTALS = Dataset(
    name="rentals",
    file="rental_transactions.csv",
    key="rental_id",
    multiline=False,
    columns=(
        _required("rental_id"),
        _required("user_id"),
        _required("vehicle_id"),
        _required("rental_start_time", values.parse_iso_timestamp),
        _required("rental_end_time", values.parse_iso_timestamp),
        _required("pickup_location"),
        _optional("dropoff_location"),
        _required("total_amount", values.parse_amount),
    ),
)

DATASETS = (USERS, VEHICLES, LOCATIONS, RENTALS)
