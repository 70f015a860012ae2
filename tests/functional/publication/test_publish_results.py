"""Publication of one run: the tables, the report email, and the runs that are rejected."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import QueryFailedError, RunRejectedError
from pipeline.ledger.keys import POINTER
from pipeline.publication.catalog import list_tables
from pipeline.publication.questions import SQL_FOLDER
from tests.functional.conftest import Cloud
from tests.support.athena import FakeAthena, QueryFailure
from tests.support.publishing import (
    publish,
    publish_older_run,
    read_objects,
    read_publication_objects,
)
from tests.support.retry_clock import RetryClock
from tests.support.runs import (
    RUN_ID,
    create_kpi_report,
    create_transformation_report,
    finish_run,
    put_reports,
    replace_dataset_counts,
    replace_table_totals,
)

PROJECT = Path(__file__).resolve().parents[3]
TABLE_NAMES = [table.name for table in list_tables(personal_data=False)]


@pytest.fixture
def athena(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> FakeAthena:
    """An Athena with an empty catalog. Nothing waits for a query."""
    RetryClock().install(monkeypatch)
    fake = FakeAthena(cloud.bucket)
    fake.install(monkeypatch)
    return fake


def test_run_is_published_with_one_email(cloud: Cloud, athena: FakeAthena) -> None:
    finish_run(cloud, athena)
    response = publish()
    (key,) = read_objects(cloud, "published_runs/")
    assert response == {"status": "PUBLISHED", "record_key": key}
    assert key.endswith(f"Z-{RUN_ID}.json")
    assert athena.query("SELECT SUM(total_amount) FROM rentals") == [(Decimal("600.50"),)]
    for name in TABLE_NAMES:
        expected = athena.database.execute(f"SELECT COUNT(*) FROM history_{name}").fetchall()  # noqa: S608
        assert athena.query(f"SELECT COUNT(*) FROM {name}") == expected  # noqa: S608
    ((subject, body),) = cloud.emails()
    assert subject == "Rental KPIs: 600.50, 2 rejected (2026-11)"
    assert "Readers see this run now." in body
    email = read_objects(cloud, "reports/")[f"reports/{RUN_ID}/email.txt"]
    assert email == f"{subject}\n\n{body}"


def test_publication_record_is_one_line_of_json(cloud: Cloud, athena: FakeAthena) -> None:
    finish_run(cloud, athena)
    publish()
    ((key, text),) = read_objects(cloud, "published_runs/").items()
    assert text.count("\n") == 1
    content = json.loads(text)
    time = content["published_at"].replace(":", "-")
    assert key == f"published_runs/{time}-{RUN_ID}.json"
    assert content["datasets"][3] == {"dataset": "rentals", "read": 4, "accepted": 3, "rejected": 1}
    assert {reason["reason"] for reason in content["reasons"]} == {
        "invalid_zip_code",
        "missing_user_id",
        "end_not_after_start",
    }
    assert {"warning": "unknown_vehicle", "rows": 1} in content["warnings"]


def test_stored_answers_are_exact(cloud: Cloud, athena: FakeAthena) -> None:
    finish_run(cloud, athena)
    publish()
    content = json.loads(read_objects(cloud, "reports/")[f"reports/{RUN_ID}/answers.json"])
    assert content["run_id"] == RUN_ID
    assert content["answers"]["totals"][0]["revenue"] == "600.50"
    assert content["answers"]["top_locations"][0] == {
        "location_id": "l2",
        "location_name": None,
        "city": None,
        "revenue": "500.50",
        "rentals": "2",
        "average": "200.17",
    }


def test_publishing_twice_changes_nothing(cloud: Cloud, athena: FakeAthena) -> None:
    finish_run(cloud, athena)
    first = publish()
    objects, query_count = read_publication_objects(cloud), len(athena.executions)
    assert publish() == first
    assert read_publication_objects(cloud) == objects
    assert len(athena.executions) == query_count
    assert len(cloud.emails()) == 1


def test_verification_changes_nothing_that_readers_see(cloud: Cloud, athena: FakeAthena) -> None:
    publish_older_run(cloud, athena)
    pointer, records = cloud.ledger.get(POINTER), read_objects(cloud, "published_runs/")
    total = athena.query("SELECT SUM(total_amount), AVG(total_amount) FROM rentals")
    finish_run(cloud, athena)
    assert publish(is_test=True) == {"status": "VERIFIED", "record_key": None}
    assert cloud.ledger.get(POINTER) == pointer
    assert read_objects(cloud, "published_runs/") == records
    assert athena.query("SELECT SUM(total_amount), AVG(total_amount) FROM rentals") == total


def test_verification_is_reported_as_a_test(cloud: Cloud, athena: FakeAthena) -> None:
    finish_run(cloud, athena)
    publish(is_test=True)
    ((subject, body),) = cloud.emails()
    assert subject == "[Test] Rental KPIs: 600.50, 2 rejected (2026-11)"
    assert "This run only verifies the deployment" in body
    assert "Readers see this run now." not in body
    assert read_objects(cloud, "published_runs/") == {}


@pytest.mark.parametrize("personal_data", [False, True])
def test_views_have_personal_data_only_if_enabled(
    cloud: Cloud, athena: FakeAthena, personal_data: bool
) -> None:
    finish_run(cloud, athena)
    publish(personal_data=personal_data)
    columns = [row[0] for row in athena.database.execute("DESCRIBE user_metrics").fetchall()]
    assert {"first_name", "last_name", "email"}.isdisjoint(columns) != personal_data
    ((subject, body),) = cloud.emails()
    text = "".join(read_objects(cloud, "reports/", "published_runs/").values()) + subject + body
    for personal_text in ("Ada", "Alan", "ada@", "private1@"):
        assert personal_text not in text


def _add_rental(athena: FakeAthena) -> None:
    athena.add("rentals", RUN_ID, [{"rental_id": "r9", "total_amount": Decimal(0)}])


def _change_revenue(athena: FakeAthena) -> None:
    athena.database.execute("UPDATE history_daily_metrics SET total_revenue = total_revenue + 0.01")


def _change_count(athena: FakeAthena) -> None:
    athena.database.execute("UPDATE history_vehicle_metrics SET total_rentals = 1")


def _remove_partition(athena: FakeAthena) -> None:
    athena.database.execute("DELETE FROM history_users")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_add_rental, "rentals: 4 rows instead of 3; rentals: 4 rentals instead of 3"),
        (_change_revenue, "daily_metrics: 600.52 in revenue instead of 600.50"),
        (_change_count, "vehicle_metrics: 2 rentals instead of 3"),
        (_remove_partition, "users: 0 rows instead of 2"),
    ],
)
def test_run_with_other_contents_in_athena_is_rejected(
    cloud: Cloud, athena: FakeAthena, change: Any, message: str
) -> None:
    finish_run(cloud, athena)
    change(athena)
    with pytest.raises(RunRejectedError, match=message):
        publish()
    assert read_publication_objects(cloud) == {}
    assert cloud.emails() == []


@pytest.mark.parametrize("query_text", [*TABLE_NAMES, "row_count", "LIMIT 5"])
def test_failed_query_publishes_nothing(cloud: Cloud, athena: FakeAthena, query_text: str) -> None:
    finish_run(cloud, athena)
    athena.failures = [QueryFailure(query_text, "TABLE_NOT_FOUND: no such table", times=99)]
    with pytest.raises(QueryFailedError, match="TABLE_NOT_FOUND: no such table"):
        publish()
    assert read_objects(cloud, "published_runs/") == {}
    assert cloud.emails() == []


def test_run_with_empty_tables_is_published(cloud: Cloud, athena: FakeAthena) -> None:
    finish_run(cloud, athena)
    for name in ("users", "vehicles", "locations"):
        athena.database.execute(f"DELETE FROM history_{name}")  # noqa: S608
    report = create_transformation_report()
    for name in ("users", "vehicles", "locations"):
        report = replace_dataset_counts(report, name, accepted=0)
    put_reports(cloud, report, create_kpi_report())
    assert publish()["status"] == "PUBLISHED"
    assert athena.query("SELECT COUNT(*) FROM users") == [(0,)]


def test_quality_query_counts_rows_of_published_run(cloud: Cloud, athena: FakeAthena) -> None:
    quality = (SQL_FOLDER / "quality.sql").read_text("utf-8")
    finish_run(cloud, athena)
    assert athena.query(quality) == []
    publish()
    reasons = "missing_user_id 1, end_not_after_start 1"
    assert athena.query(quality) == [
        ("locations", 3, 2, 1, Decimal("33.33"), "invalid_zip_code 1"),
        ("rentals", 4, 3, 1, Decimal("25.00"), reasons),
        ("users", 2, 2, 0, Decimal("0.00"), ""),
        ("vehicles", 2, 2, 0, Decimal("0.00"), ""),
    ]


def test_email_size_is_limited(cloud: Cloud, athena: FakeAthena) -> None:
    finish_run(cloud, athena)
    athena.database.execute(
        "UPDATE history_location_metrics SET location_name = repeat('long\nname ', 50000)"
    )
    new_rows = [{"vehicle_type": f"type{n:04}", "total_rentals": 0} for n in range(2500)]
    athena.add("vehicle_metrics", RUN_ID, new_rows)
    kpis = replace_table_totals(create_kpi_report(), "vehicle_metrics", rows=2502)
    put_reports(cloud, create_transformation_report(), kpis)
    publish(warnings=("x" * 300_000,))
    ((_, body),) = cloud.emails()
    assert len(body.encode()) < 10_000
    content = json.loads(read_objects(cloud, "reports/")[f"reports/{RUN_ID}/answers.json"])
    types = [row["vehicle_type"] for row in content["answers"]["vehicle_types"]]
    assert types == ["premium", "basic", *(f"type{n:04}" for n in range(18))]
