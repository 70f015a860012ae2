"""Inputs of a report with known figures: two runs of five weeks, without a database."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from contract.codes import WARNINGS
from contract.kpi_tables import KPI_TABLES
from contract.reports import DatasetCounts, KpiReport, TableTotals, TransformationReport
from report.inputs import InputFile, PastRun, ReportInputs, Row, RunStep

RUN_ID = "2024-w22-352dbd7"
PREVIOUS_RUN_ID = "2024-w21-a41c09e"
FIRST_DAY = date(2024, 4, 29)  # a Monday
LAST_DAY = date(2024, 6, 2)  # a Sunday
REVENUE = "42000.00"
RENTALS = 70
HOSTILE_TEXTS = (
    "</script><script>alert(1)</script>",
    "<!--<script>",
    '"><img src=x onerror=alert(1)>',
    '=HYPERLINK("http://example.com")',
    "\u202egnp.exe",
    "{{ 7 * 7 }}",
    "datum.x + alert(1)",
    "javascript:alert(1)",
    "a" * 10_000,
    "' OR 1=1 --",
    "line\nbreak\x00\x1b[31m",
)


def build_inputs(**changes: Any) -> ReportInputs:
    """Return the inputs of a report: 35 days with 2 rentals and a revenue of 1,200.00 each.

    Args:
        **changes: Attributes of the inputs that are different. `answers` replaces single answers.
    """
    answers = build_answers() | changes.pop("answers", {})
    counts = DatasetCounts(RENTALS + 3, RENTALS, 3, {"invalid_total_amount": 2, "malformed_row": 1})
    transformation = TransformationReport(
        RUN_ID,
        {
            "users": DatasetCounts(40, 40, 0, {}),
            "vehicles": DatasetCounts(20, 20, 0, {}),
            "locations": DatasetCounts(3, 3, 0, {}),
            "rentals": counts,
        },
        {**dict.fromkeys(WARNINGS, 0), "inactive_user": 5},
        REVENUE,
    )
    rows = {"location_metrics": 3, "vehicle_metrics": 3, "daily_metrics": 35, "user_metrics": 40}
    tables = {
        table.name: TableTotals(rows.get(table.name, 1), RENTALS, REVENUE) for table in KPI_TABLES
    }
    inputs = ReportInputs(
        run_id=RUN_ID,
        batch="2024-w22",
        claimed_at="2024-06-03T08:00:00+00:00",
        written_at="2024-06-03T08:10:00+00:00",
        is_local=False,
        files=(
            InputFile("users", "raw/2024-w22/users.csv", "v1", 3_000_000),
            InputFile("rentals", "raw/2024-w22/rental_transactions.csv", "v2", 999),
        ),
        transformation=transformation,
        kpis=KpiReport(RUN_ID, tables),
        max_rejected_percent="5",
        previous_run_id=PREVIOUS_RUN_ID,
        past_runs=(
            PastRun(
                PREVIOUS_RUN_ID,
                "2024-05-27T08:10:00+00:00",
                "33600.00",
                DatasetCounts(56, 56, 0, {}),
                {},
            ),
            PastRun(RUN_ID, "2024-06-03T08:10:00+00:00", REVENUE, counts, {"inactive_user": 5}),
        ),
        steps=(RunStep("PinInputs", 0.5, 1.5), RunStep("WaitForCrawl", 200.0, 75.0, 3)),
        answers=answers,
    )
    return replace(inputs, **changes)


def build_answers() -> dict[str, list[Row]]:
    """Return the answers about a run whose figures are easy to compute."""
    length = (LAST_DAY - FIRST_DAY).days + 1
    days: list[Row] = [
        {
            "day": (FIRST_DAY + timedelta(days=offset)).isoformat(),
            "rentals": "2",
            "revenue": "1200.00",
            "users": "2",
        }
        for offset in range(length)
    ]
    sums = [table.name for table in KPI_TABLES] + ["rentals"]
    return {
        "totals": [
            {
                "rentals": str(RENTALS),
                "revenue": REVENUE,
                "average": "600.00",
                "largest": "900.00",
                "smallest": "300.00",
                "hours": "1400.00",
                "users": "40",
                "vehicles": "20",
                "first_day": FIRST_DAY.isoformat(),
                "last_day": LAST_DAY.isoformat(),
            }
        ],
        "days": days[::-1],
        "weeks": [
            _week("before", revenue="8000.00", rentals=16, users=10),
            _week("last", revenue="8400.00", rentals=14, users=10),
        ],
        "fleet": [
            _fleet("premium", "BMW", 30, "24000.00"),
            _fleet("basic", "Toyota", 25, "12000.00"),
            _fleet("basic", "Honda", 15, "6000.00"),
        ],
        "cities": [
            {
                "city": "Oakland",
                "state": "CA",
                "locations": "2",
                "rentals": "50",
                "revenue": "30000.00",
                "cities": "2",
            },
            {
                "city": None,
                "state": None,
                "locations": "1",
                "rentals": "20",
                "revenue": "12000.00",
                "cities": "2",
            },
        ],
        "locations": [
            _location("1", "Bean LLC", "Oakland", 30, "20000.00"),
            _location("2", "Brown, Inc.", "Oakland", 20, "10000.00"),
            _location("3", None, None, 20, "12000.00"),
        ],
        "location_distribution": [
            {"bin": "10", "width": "1000.00", "locations": "1"},
            {"bin": "12", "width": "1000.00", "locations": "1"},
            {"bin": "20", "width": "1000.00", "locations": "1"},
        ],
        "users": [
            {"rentals": "1", "users": "20", "all_rentals": "20"},
            {"rentals": "2", "users": "19", "all_rentals": "38"},
            {"rentals": "12", "users": "1", "all_rentals": "12"},
        ],
        "coordinates": [{"locations": "3", "checked": "3", "in_state": "1"}],
        "sums": [
            {"table_name": name, "row_count": "1", "rentals": str(RENTALS), "revenue": REVENUE}
            for name in sums
        ],
        "changes": [
            _change("new", 7, LAST_DAY - timedelta(days=6), LAST_DAY, (0, "0"), (14, "8400.00")),
            _change(
                "same",
                28,
                FIRST_DAY,
                LAST_DAY - timedelta(days=7),
                (56, "33600.00"),
                (56, "33600.00"),
            ),
        ],
        "changed_days": [],
    }


def spoil_texts(inputs: ReportInputs) -> ReportInputs:
    """Return the inputs with hostile texts wherever a text of the input occurs."""
    answers = dict(inputs.answers)
    texts = list(HOSTILE_TEXTS)
    revenue = Decimal(REVENUE) / len(texts)
    answers["fleet"] = [_fleet(text, text, 6, f"{revenue:.2f}") for text in texts]
    answers["locations"] = [_location(text, text, text, 6, "100.00") for text in texts]
    answers["cities"] = [
        {
            "city": text,
            "state": text,
            "locations": "1",
            "rentals": "6",
            "revenue": "100.00",
            "cities": str(len(texts)),
        }
        for text in texts
    ]
    files = tuple(InputFile("users", f"raw/{text}/users.csv", text, 1) for text in texts)
    return replace(inputs, answers=answers, batch=texts[0] + texts[4], files=files)


def _week(name: str, revenue: str, rentals: int, users: int) -> Row:
    return {
        "week": name,
        "days": "7",
        "rentals": str(rentals),
        "revenue": revenue,
        "seconds": str(rentals * 72_000),
        "users": str(users),
        "vehicles": "7",
    }


def _fleet(vehicle_type: str, brand: str, rentals: int, revenue: str) -> Row:
    return {
        "vehicle_type": vehicle_type,
        "brand": brand,
        "rentals": str(rentals),
        "revenue": revenue,
        "hours": f"{rentals * 20}.00",
        "vehicles": "5",
    }


def _location(key: str, name: str | None, city: str | None, rentals: int, revenue: str) -> Row:
    average = Decimal(revenue) / rentals
    return {
        "location_id": key,
        "location_name": name,
        "city": city,
        "rentals": str(rentals),
        "revenue": revenue,
        "average": f"{average:.2f}",
    }


def _change(
    kind: str, days: int, first: date, last: date, before: tuple[int, str], now: tuple[int, str]
) -> Row:
    return {
        "change": kind,
        "days": str(days),
        "first_day": first.isoformat(),
        "last_day": last.isoformat(),
        "rentals_before": str(before[0]),
        "revenue_before": before[1],
        "rentals_now": str(now[0]),
        "revenue_now": now[1],
    }
