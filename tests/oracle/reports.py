"""transformation.json and kpis.json without the run ID."""

from collections import Counter
from datetime import datetime

from .rows import DatasetRows, Row
from .tables import Tables, total

_NO_ACCEPTED_ROWS = {
    "users": "no accepted users: every row of users.csv was rejected",
    "vehicles": "no accepted vehicles: every row of vehicles.csv was rejected",
    "locations": "no accepted locations: every row of locations.csv was rejected",
    "rentals": "no accepted rentals: every row of rental_transactions.csv was rejected",
}


def transformation_report(datasets: dict[str, DatasetRows]) -> Row:
    """Return the report of the transformation job."""
    accepted = {name: rows.accepted for name, rows in datasets.items()}
    revenue = total(rental["total_amount"] for rental in accepted["rentals"])
    report = {
        "datasets": {name: _counts(rows) for name, rows in datasets.items()},
        "warnings": _warnings(accepted),
        "accepted_revenue": str(revenue),
    }
    return report | _problem(accepted)


def kpi_report(tables: Tables, rentals: list[Row]) -> Row:
    """Return the report of the KPI job."""
    count_and_revenue_columns = {
        "location_metrics": ("total_transactions", "total_revenue"),
        "vehicle_metrics": ("total_rentals", "total_revenue"),
        "daily_metrics": ("total_transactions", "total_revenue"),
        "transaction_metrics": ("total_transactions", "total_revenue"),
        "user_metrics": ("total_transactions", "total_spending"),
    }
    report = {
        "tables": {
            name: {
                "rows": len(tables[name]),
                "total_transactions": sum(row[count] for row in tables[name]),
                "total_revenue": str(total(row[revenue] for row in tables[name])),
            }
            for name, (count, revenue) in count_and_revenue_columns.items()
        }
    }
    return report | _problem({"rentals": rentals})


def _problem(accepted: dict[str, list[Row]]) -> Row:
    problems = [
        problem
        for name, problem in _NO_ACCEPTED_ROWS.items()
        if name in accepted and not accepted[name]
    ]
    return {"problem": "; ".join(problems)} if problems else {}


def _counts(rows: DatasetRows) -> Row:
    reasons = Counter(code for row in rows.rejected for code in row["reject_reasons"])
    return {
        "read": len(rows.accepted) + len(rows.rejected),
        "accepted": len(rows.accepted),
        "rejected": len(rows.rejected),
        "reasons": dict(sorted(reasons.items())),
    }


def _warnings(accepted: dict[str, list[Row]]) -> dict[str, int]:
    users = {user["user_id"]: user for user in accepted["users"]}
    vehicles = {vehicle["vehicle_id"] for vehicle in accepted["vehicles"]}
    # The drop-off location is optional.
    locations = {None} | {location["location_id"] for location in accepted["locations"]}
    rentals = accepted["rentals"]
    rentals_and_users = [(rental, users.get(rental["user_id"])) for rental in rentals]
    return {
        "unknown_user": sum(user is None for _, user in rentals_and_users),
        "unknown_vehicle": sum(rental["vehicle_id"] not in vehicles for rental in rentals),
        "unknown_location": sum(
            not locations.issuperset((rental["pickup_location"], rental["dropoff_location"]))
            for rental in rentals
        ),
        "inactive_user": sum(
            user is not None and not user["is_active"] for _, user in rentals_and_users
        ),
        "rental_before_signup": sum(
            user is not None and rental["rental_date"] < user["creation_date"]
            for rental, user in rentals_and_users
        ),
        "overlapping_vehicle_rental": _count_overlaps(rentals),
    }


def _count_overlaps(rentals: list[Row]) -> int:
    """Return the number of rentals that start before an earlier rental of the vehicle ends."""
    order = ("rental_start_time", "rental_end_time", "rental_id")
    overlaps = 0
    busy_until: dict[str, datetime] = {}
    for rental in sorted(rentals, key=lambda rental: [rental[column] for column in order]):
        start, end = rental["rental_start_time"], rental["rental_end_time"]
        until = busy_until.get(rental["vehicle_id"], start)
        overlaps += start < until
        busy_until[rental["vehicle_id"]] = max(until, end)
    return overlaps
