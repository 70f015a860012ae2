"""The KPI tables as lists of rows sorted by key."""

from collections.abc import Callable, Iterable
from datetime import date
from decimal import Decimal
from typing import Any

from .rows import Row
from .values import divide, to_hours

Tables = dict[str, list[Row]]


def kpi_tables(accepted: dict[str, list[Row]], *, personal_data: bool) -> Tables:
    """Return the five tables by name."""
    users = {user["user_id"]: user for user in accepted["users"]}
    vehicles = {vehicle["vehicle_id"]: vehicle for vehicle in accepted["vehicles"]}
    locations = {location["location_id"]: location for location in accepted["locations"]}
    rentals = accepted["rentals"]

    def model(rental: Row) -> tuple[str, str]:
        vehicle = vehicles.get(rental["vehicle_id"])
        return (vehicle["vehicle_type"], vehicle["brand"]) if vehicle else ("unknown", "unknown")

    return {
        "location_metrics": [
            _location_row(location_id, locations.get(location_id, {}), group)
            for location_id, group in _group_by(rentals, lambda r: r["pickup_location"])
        ],
        "vehicle_metrics": [
            _vehicle_row(vehicle_type, brand, group)
            for (vehicle_type, brand), group in _group_by(rentals, model)
        ],
        "daily_metrics": [
            _daily_row(day, group) for day, group in _group_by(rentals, lambda r: r["rental_date"])
        ],
        "transaction_metrics": [_overall_row(rentals)],
        "user_metrics": [
            _user_row(user_id, group)
            | (_personal_data(users.get(user_id, {})) if personal_data else {})
            for user_id, group in _group_by(rentals, lambda r: r["user_id"])
        ],
    }


def total(amounts: Iterable[Decimal]) -> Decimal:
    """Return the sum of the amounts; 0.00 if there are none."""
    return sum(amounts, Decimal("0.00"))


def _group_by(rentals: list[Row], key: Callable[[Row], Any]) -> list[tuple[Any, list[Row]]]:
    groups: dict[Any, list[Row]] = {}
    for rental in rentals:
        groups.setdefault(key(rental), []).append(rental)
    return sorted(groups.items(), key=lambda item: item[0])


def _location_row(location_id: str, location: Row, rentals: list[Row]) -> Row:
    amounts = _amounts(rentals)
    return {
        "location_id": location_id,
        "location_name": location.get("location_name"),
        "city": location.get("city"),
        "state": location.get("state"),
        "total_revenue": total(amounts),
        "total_transactions": len(rentals),
        "average_transaction": divide(total(amounts), len(amounts)),
        "max_transaction": max(amounts),
        "min_transaction": min(amounts),
        "unique_vehicles": _count_distinct(rentals, "vehicle_id"),
        "total_rental_hours": to_hours(sum(_durations(rentals))),
    }


def _vehicle_row(vehicle_type: str, brand: str, rentals: list[Row]) -> Row:
    amounts, durations = _amounts(rentals), _durations(rentals)
    return {
        "vehicle_type": vehicle_type,
        "brand": brand,
        "total_revenue": total(amounts),
        "total_rentals": len(rentals),
        "average_transaction": divide(total(amounts), len(amounts)),
        "avg_rental_duration": to_hours(sum(durations), len(durations)),
        "min_rental_duration": to_hours(min(durations)),
        "max_rental_duration": to_hours(max(durations)),
        "total_rental_hours": to_hours(sum(durations)),
        "unique_vehicles": _count_distinct(rentals, "vehicle_id"),
    }


def _daily_row(day: date, rentals: list[Row]) -> Row:
    amounts = _amounts(rentals)
    return {
        "rental_date": day,
        "total_transactions": len(rentals),
        "total_revenue": total(amounts),
        "average_transaction": divide(total(amounts), len(amounts)),
        "max_transaction": max(amounts),
        "min_transaction": min(amounts),
        "unique_users": _count_distinct(rentals, "user_id"),
    }


def _overall_row(rentals: list[Row]) -> Row:
    amounts = _amounts(rentals)
    days = [rental["rental_date"] for rental in rentals]
    return {
        "total_transactions": len(rentals),
        "total_revenue": total(amounts),
        "average_transaction": divide(total(amounts), len(amounts)) if amounts else None,
        "overall_max_transaction": max(amounts, default=None),
        "overall_min_transaction": min(amounts, default=None),
        "total_rental_hours": to_hours(sum(_durations(rentals))),
        "unique_users": _count_distinct(rentals, "user_id"),
        "unique_vehicles": _count_distinct(rentals, "vehicle_id"),
        "first_rental_date": min(days, default=None),
        "last_rental_date": max(days, default=None),
    }


def _user_row(user_id: str, rentals: list[Row]) -> Row:
    amounts = _amounts(rentals)
    return {
        "user_id": user_id,
        "total_transactions": len(rentals),
        "total_spending": total(amounts),
        "average_transaction": divide(total(amounts), len(amounts)),
        "max_spending": max(amounts),
        "min_spending": min(amounts),
        "total_rental_hours": to_hours(sum(_durations(rentals))),
    }


def _personal_data(user: Row) -> Row:
    return {name: user.get(name) for name in ("first_name", "last_name", "email")}


def _amounts(rentals: list[Row]) -> list[Decimal]:
    return [rental["total_amount"] for rental in rentals]


def _durations(rentals: list[Row]) -> list[int]:
    return [rental["rental_duration_seconds"] for rental in rentals]


def _count_distinct(rentals: list[Row], column: str) -> int:
    return len({rental[column] for rental in rentals})
