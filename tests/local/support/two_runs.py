"""A lake with two cataloged runs and the views. The first run is the published one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from decimal import Decimal
from pathlib import Path

from local.cloud import running
from pipeline.publication.catalog import build_view_queries
from tests.local.support.lake import COLUMNS, Lake, deploy_lake

PUBLISHED_RUN, OTHER_RUN = "2026-11-run", "2026-12-other"


@contextmanager
def lake_with_two_runs(folder: Path) -> Iterator[Lake]:
    """Run a local cloud with the lake during the block."""
    with running(folder) as cloud:
        lake = deploy_lake(cloud)
        for table in COLUMNS:
            lake.put_rows(table, PUBLISHED_RUN)
            lake.put_rows(table, OTHER_RUN)
        _put_run(lake, PUBLISHED_RUN, "100.50")
        _put_run(lake, OTHER_RUN, "999.99")
        assert lake.crawl()["Status"] == "SUCCEEDED"
        lake.put_publication_record(PUBLISHED_RUN, "2026-11-23T08:00:00.000000Z", **_COUNTS)
        for view in build_view_queries(personal_data=False):
            assert lake.run_query(view.text)["Status"]["State"] == "SUCCEEDED"
        yield lake


_COUNTS = {
    "batch": "raw/",
    "datasets": [{"dataset": "rentals", "read": 3, "accepted": 2, "rejected": 1}],
    "reasons": [{"dataset": "rentals", "reason": "missing_user_id", "rows": 1}],
    "warnings": [],
}


def _put_run(lake: Lake, run_id: str, amount: str) -> None:
    """Write a run with two rentals on one day, one without times, and the matching KPI tables."""
    price, total = Decimal(amount), 2 * Decimal(amount)
    lake.put_rows(
        "rentals",
        run_id,
        {
            "rental_id": "1",
            "user_id": "0012",
            "total_amount": price,
            "rental_start_time": "2026-11-01 10:00:00",
            "rental_date": date(2026, 11, 1),
        },
        {
            "rental_id": "012e4",
            "user_id": "0012",
            "total_amount": price,
            "rental_date": date(2026, 11, 1),
        },
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
            "average_transaction": price,
            "first_rental_date": date(2026, 11, 1),
        },
    )
    lake.put_rows(
        "user_metrics",
        run_id,
        {"user_id": "0012", "total_transactions": 2, "total_spending": total},
    )
