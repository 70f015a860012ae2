"""Files and columns as section 1 and 2 of the data contract list them."""

from collections.abc import Callable
from typing import NamedTuple

from . import values


class RefusedFileError(Exception):
    """The contract refuses this file as a whole, so nothing can be expected of it."""


class Column(NamedTuple):
    """One column; `read` gives None for a text that is not of the column's type."""

    name: str
    required: bool
    read: Callable[[str], object | None]


class Dataset(NamedTuple):
    """One input file; only free text may hold line breaks."""

    name: str
    file: str
    key: str
    multiline: bool
    columns: tuple[Column, ...]


def _needed(name: str, read: Callable[[str], object | None] = str) -> Column:
    return Column(name, required=True, read=read)


def _optional(name: str, read: Callable[[str], object | None] = str) -> Column:
    return Column(name, required=False, read=read)


USERS = Dataset(
    name="users",
    file="users.csv",
    key="user_id",
    multiline=True,
    columns=(
        _needed("user_id"),
        _optional("first_name"),
        _optional("last_name"),
        _needed("email", str.lower),
        _needed("phone_number"),
        _optional("driver_license_number"),
        _optional("driver_license_expiry", values.iso_date),
        _needed("creation_date", values.iso_date),
        _needed("is_active", values.flag),
    ),
)

VEHICLES = Dataset(
    name="vehicles",
    file="vehicles.csv",
    key="vehicle_id",
    multiline=True,
    columns=(
        _needed("active", values.flag),
        _needed("vehicle_license_number"),
        _optional("registration_name"),
        _optional("license_type"),
        _needed("expiration_date", values.day_first_date),
        _optional("permit_license_number"),
        _optional("certification_date", values.iso_date),
        _optional("vehicle_year", values.integer),
        _optional("base_telephone_number"),
        _optional("base_address"),
        _needed("vehicle_id"),
        _optional("last_update_timestamp", values.day_first_timestamp),
        _needed("brand"),
        _needed("vehicle_type"),
    ),
)

LOCATIONS = Dataset(
    name="locations",
    file="locations.csv",
    key="location_id",
    multiline=True,
    columns=(
        _needed("location_id"),
        _needed("location_name"),
        _needed("address"),
        _needed("city"),
        _needed("state", str.upper),
        _needed("zip_code", values.zip_code),
        _needed("latitude", values.coordinate(90)),
        _needed("longitude", values.coordinate(180)),
    ),
)

RENTALS = Dataset(
    name="rentals",
    file="rental_transactions.csv",
    key="rental_id",
    multiline=False,
    columns=(
        _needed("rental_id"),
        _needed("user_id"),
        _needed("vehicle_id"),
        _needed("rental_start_time", values.iso_timestamp),
        _needed("rental_end_time", values.iso_timestamp),
        _needed("pickup_location"),
        _optional("dropoff_location"),
        _needed("total_amount", values.amount),
    ),
)

DATASETS = (USERS, VEHICLES, LOCATIONS, RENTALS)
