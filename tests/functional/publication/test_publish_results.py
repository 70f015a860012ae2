"""What publish_results shows, tells and refuses; the SQL is run as Athena's dialect."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import QueryFailedError, RunRejectedError
from pipeline.publication.catalog import list_tables
from pipeline.publication.questions import SQL_FOLDER
from tests.functional.conftest import Cloud
from tests.support.athena import Failure, FakeAthena
from tests.support.publishing import objects, publish, published
from tests.support.runs import (
    RUN,
    changed_dataset,
    finish_run,
    kpi_report,
    put_reports,
    transformation_report,
)

PROJECT = Path(__file__).resolve().parents[3]
NAMES = [table.name for table in list_tables(personal_data=False)]


@pytest.fixture
def athena(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> FakeAthena:
    """An Athena that has nothing catalogued yet, and no time to lose."""
    monkeypatch.setattr("tenacity.nap.time.sleep", lambda _: None)
    fake = FakeAthena(cloud.bucket)
    fake.install(monkeypatch)
    return fake


def test_a_run_is_shown_and_told(cloud: Cloud, athena: FakeAthena) -> None:
    finish_run(cloud, athena)
    answer = publish()
    (key,) = objects(cloud, "published_runs/")
    assert answer == {"status": "PUBLISHED", "pointer": key}
    assert key.endswith(f"Z-{RUN}.json")
    assert athena.query("SELECT SUM(total_amount) FROM rentals") == [(Decimal("600.50"),)]
    for name in NAMES:
        held = athena.database.execute(f"SELECT COUNT(*) FROM history_{name}").fetchall()  # noqa: S608
        assert athena.query(f"SELECT COUNT(*) FROM {name}") == held  # noqa: S608
    ((subject, body),) = cloud.emails()
    assert subject == "Rental KPIs 2026-11: 600.50 from 3 rentals"
    assert "Readers see this run now." in body
    email = objects(cloud, "reports/")[f"reports/{RUN}/email.txt"]
    assert email == f"{subject}\n\n{body}"


def test_the_mail_reads_well(cloud: Cloud, athena: FakeAthena) -> None:
    finish_run(cloud, athena)
    publish(warnings=("unexpected column `shoe_size` is ignored",))
    ((_, body),) = cloud.emails()
    assert (
        body
        == f"""\
Batch raw/2026-11/
Run {RUN}

Readers see this run now.

rentals             3
revenue        600.50
average        200.17
largest             -
smallest            -
hours               -
users               2
vehicles            -
first day  2026-11-01
last day   2026-11-02

Locations with the most revenue

location name  city    revenue  rentals
-              -        500.50        2
Harbour        Bergen   100.00        1

Vehicle types

vehicle type  rentals  revenue
premium             2   500.50
basic               1   100.00

Users who spent the most

user id  spending  rentals
u2         500.50        2
u1         100.00        1

Last days

day         rentals  revenue
2026-11-02        2   500.50
2026-11-01        1   100.00

Rows

dataset    read  accepted  rejected
users         2         2         0
vehicles      2         2         0
locations     3         2         1
rentals       4         3         1

Rejected locations, by reason

invalid_zip_code  1

Rejected rentals, by reason

missing_user_id      1
end_not_after_start  1

Accepted with a warning

unknown_vehicle  1

About the files

raw/2026-11/users.csv: unexpected column `shoe_size` is ignored

This report and its numbers: s3://rental-data/reports/{RUN}/

Rejected rows: s3://rental-data/quarantine/<dataset>/run_id={RUN}/
"""
    )


def test_the_pointer_is_one_line_that_the_catalogue_can_read(
    cloud: Cloud, athena: FakeAthena
) -> None:
    finish_run(cloud, athena)
    publish()
    ((key, text),) = objects(cloud, "published_runs/").items()
    assert text.count("\n") == 1
    content = json.loads(text)
    assert key == f"published_runs/{content['published_at']}-{RUN}.json"
    assert content["datasets"][3] == {"dataset": "rentals", "read": 4, "accepted": 3, "rejected": 1}
    assert {reason["reason"] for reason in content["reasons"]} == {
        "invalid_zip_code",
        "missing_user_id",
        "end_not_after_start",
    }
    assert {"warning": "unknown_vehicle", "rows": 1} in content["warnings"]


def test_the_answers_are_kept_unrounded(cloud: Cloud, athena: FakeAthena) -> None:
    finish_run(cloud, athena)
    publish()
    kept = json.loads(objects(cloud, "reports/")[f"reports/{RUN}/answers.json"])
    assert kept["run_id"] == RUN
    assert kept["answers"]["totals"][0]["revenue"] == "600.50"
    assert kept["answers"]["top_locations"][0] == {
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
    objects, started = published(cloud), len(athena.executions)
    assert publish() == first
    assert published(cloud) == objects
    assert len(athena.executions) == started
    assert len(cloud.emails()) == 1


@pytest.mark.parametrize("personal_data", [False, True])
def test_personal_columns_are_shown_when_switched_on(
    cloud: Cloud, athena: FakeAthena, personal_data: bool
) -> None:
    finish_run(cloud, athena)
    publish(personal_data=personal_data)
    columns = [row[0] for row in athena.database.execute("DESCRIBE user_metrics").fetchall()]
    assert {"first_name", "last_name", "email"}.isdisjoint(columns) != personal_data
    ((subject, body),) = cloud.emails()
    told = "".join(objects(cloud, "reports/", "published_runs/").values()) + subject + body
    for private in ("Ada", "Alan", "ada@", "private1@"):
        assert private not in told


def _another_rental(athena: FakeAthena) -> None:
    athena.add("rentals", RUN, [{"rental_id": "r9", "total_amount": Decimal(0)}])


def _other_cents(athena: FakeAthena) -> None:
    athena.database.execute("UPDATE history_daily_metrics SET total_revenue = total_revenue + 0.01")


def _lost_count(athena: FakeAthena) -> None:
    athena.database.execute("UPDATE history_vehicle_metrics SET total_rentals = 1")


def _lost_partition(athena: FakeAthena) -> None:
    athena.database.execute("DELETE FROM history_users")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_another_rental, "rentals has rows 4 instead of 3; rentals has rentals 4 instead of 3"),
        (_other_cents, "daily_metrics has revenue 600.52 instead of 600.50"),
        (_lost_count, "vehicle_metrics has rentals 2 instead of 3"),
        (_lost_partition, "users has rows 0 instead of 2"),
    ],
)
def test_what_athena_finds_otherwise_is_refused(
    cloud: Cloud, athena: FakeAthena, change: Any, words: str
) -> None:
    finish_run(cloud, athena)
    change(athena)
    with pytest.raises(RunRejectedError, match=words):
        publish()
    assert published(cloud) == {}
    assert cloud.emails() == []


@pytest.mark.parametrize("name", [*NAMES, "row_count", "LIMIT 5"])
def test_a_query_that_fails_shows_nothing(cloud: Cloud, athena: FakeAthena, name: str) -> None:
    finish_run(cloud, athena)
    athena.failures = [Failure(name, "TABLE_NOT_FOUND: no such table", times=99)]
    with pytest.raises(QueryFailedError, match="TABLE_NOT_FOUND: no such table"):
        publish()
    assert objects(cloud, "published_runs/") == {}
    assert cloud.emails() == []


def test_tables_without_rows(cloud: Cloud, athena: FakeAthena) -> None:
    finish_run(cloud, athena)
    for name in ("users", "vehicles", "locations"):
        athena.database.execute(f"DELETE FROM history_{name}")  # noqa: S608
    report = transformation_report()
    for name in ("users", "vehicles", "locations"):
        report = changed_dataset(report, name, accepted=0)
    put_reports(cloud, report, kpi_report())
    assert publish()["status"] == "PUBLISHED"
    assert athena.query("SELECT COUNT(*) FROM users") == [(0,)]


def test_the_quality_of_what_readers_see(cloud: Cloud, athena: FakeAthena) -> None:
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


def test_long_and_odd_names_do_not_break_the_mail(cloud: Cloud, athena: FakeAthena) -> None:
    finish_run(cloud, athena)
    athena.database.execute(
        "UPDATE history_location_metrics SET location_name = repeat('long\nname ', 50000)"
    )
    kinds = [{"vehicle_type": f"kind{n:04}", "total_rentals": 0} for n in range(2500)]
    athena.add("vehicle_metrics", RUN, kinds)
    kpis = kpi_report()
    more = replace(kpis.tables["vehicle_metrics"], rows=2502)
    kpis = replace(kpis, tables={**kpis.tables, "vehicle_metrics": more})
    put_reports(cloud, transformation_report(), kpis)
    publish(warnings=("x" * 300_000,))
    ((_, body),) = cloud.emails()
    assert len(body.encode()) < 10_000
    assert "and 2,482 more" in body
    kept = json.loads(objects(cloud, "reports/")[f"reports/{RUN}/answers.json"])
    assert len(kept["answers"]["vehicle_types"]) == 2502
    types = {row["vehicle_type"] for row in kept["answers"]["vehicle_types"]}
    assert types == {"basic", "premium", *(kind["vehicle_type"] for kind in kinds)}
