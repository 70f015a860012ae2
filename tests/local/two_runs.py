"""A lake with two runs, catalogued and with views; readers are to see the first."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from decimal import Decimal
from pathlib import Path

from local.cloud import running
from pipeline.publication.catalog import views
from tests.local.lake import COLUMNS, Lake, make_lake

RUN, OTHER = "2026-11-run", "2026-12-other"


@contextmanager
def two_runs(folder: Path) -> Iterator[Lake]:
    """A cloud of its own, for as long as the block runs."""
    with running(folder) as cloud:
        lake = make_lake(cloud)
        for table in COLUMNS:
            lake.put_rows(table, RUN)
            lake.put_rows(table, OTHER)
        _put_run(lake, RUN, "100.50")
        _put_run(lake, OTHER, "999.99")
        assert lake.crawl()["Status"] == "SUCCEEDED"
        lake.point_to(RUN, "2026-11-23T08:00:00.000000Z", **_COUNTED)
        for view in views(personal_data=False):
            assert lake.run(view.text)["Status"]["State"] == "SUCCEEDED"
        yield lake


_COUNTED = {
    "batch": "raw/",
    "datasets": [{"dataset": "rentals", "read": 3, "accepted": 2, "rejected": 1}],
    "reasons": [{"dataset": "rentals", "reason": "missing_user_id", "rows": 1}],
    "warnings": [],
}


def _put_run(lake: Lake, run_id: str, amount: str) -> None:
    """Two rentals on one day, of which one has no end; every table adds up to them."""
    money, total = Decimal(amount), 2 * Decimal(amount)
    lake.put_rows(
        "rentals",
        run_id,
        {"rental_id": "1", "total_amount": money, "rental_start_time": "2026-11-01 10:00:00"},
        {"rental_id": "012e4", "total_amount": money},
    )
    lake.put_rows(
        "location_metrics",
        run_id,
        {"location_id": "7", "city": 'New "York", NY', "total_revenue": total},
    )
    lake.put_rows(
        "vehicle_metrics",
        run_id,
        {"vehicle_type": "basic", "total_rentals": 2, "total_revenue": total},
    )
    lake.put_rows(
        "daily_metrics",
        run_id,
        {"rental_date": date(2026, 11, 1), "total_transactions": 2, "total_revenue": total},
    )
    lake.put_rows(
        "transaction_metrics",
        run_id,
        {
            "total_transactions": 2,
            "total_revenue": total,
            "average_transaction": money,
            "first_rental_date": date(2026, 11, 1),
        },
    )
    lake.put_rows(
        "user_metrics",
        run_id,
        {"user_id": "0012", "total_transactions": 2, "total_spending": total},
    )
