"""Which run has the pointer, in whatever order runs end, and what readers see then."""

from __future__ import annotations

import subprocess
from datetime import timedelta
from pathlib import Path

import boto3
import pytest

from contract.kpi_tables import KPI_TABLES
from pipeline.clock import format_utc, parse_utc, utc_now
from pipeline.ledger.batch import Run
from pipeline.publication.pointer import claim_pointer, published_run_id
from tests.functional.conftest import Cloud
from tests.support.athena import FakeAthena
from tests.support.aws_calls import watch_calls
from tests.support.publishing import EARLIER, OLDER, objects, publish, publish_older, published
from tests.support.runs import RUN, finish_run


@pytest.fixture
def athena(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> FakeAthena:
    fake = FakeAthena(cloud.bucket)
    fake.install(monkeypatch)
    return fake


def _averages_seen(athena: FakeAthena) -> set[str]:
    """By what a run can be told apart, of all rows of all KPI tables as readers see them."""
    return {
        str(average)
        for table in KPI_TABLES
        for (average,) in athena.query(f"SELECT average_transaction FROM {table.name}")  # noqa: S608
    }


def test_a_run_claimed_earlier_does_not_take_the_pointer(cloud: Cloud, athena: FakeAthena) -> None:
    finish_run(cloud, athena)
    publish()
    cloud.emails()
    finish_run(cloud, athena, OLDER)
    before = objects(cloud, "published_runs/")
    assert publish(OLDER, EARLIER) == {"status": "SUPERSEDED", "pointer": None}
    assert publish(OLDER, EARLIER) == {"status": "SUPERSEDED", "pointer": None}
    assert objects(cloud, "published_runs/") == before
    ((subject, body),) = cloud.emails()
    assert subject == "Rental KPIs 2026-11 (not shown): 600.50 from 3 rentals"
    assert f"Readers do not see this run: the files of {RUN} were complete later." in body


def test_a_run_claimed_later_takes_the_pointer(cloud: Cloud, athena: FakeAthena) -> None:
    publish_older(cloud, athena)
    assert _averages_seen(athena) == {"1.00"}
    finish_run(cloud, athena, average="2.00")
    assert publish()["status"] == "PUBLISHED"
    assert _averages_seen(athena) == {"2.00"}
    first, second = sorted(objects(cloud, "published_runs/"))
    assert (OLDER in first, RUN in second) == (True, True)
    assert len(cloud.emails()) == 2


def test_a_run_that_was_shown_before_is_not_told_again(cloud: Cloud, athena: FakeAthena) -> None:
    """Published once more after a later one: nothing that anybody reads changes."""
    publish_older(cloud, athena)
    finish_run(cloud, athena)
    publish()
    objects, _ = published(cloud), cloud.emails()
    assert publish(OLDER, EARLIER)["status"] == "SUPERSEDED"
    assert published(cloud) == objects
    assert cloud.emails() == []


def test_the_same_input_run_again_takes_the_pointer(cloud: Cloud, athena: FakeAthena) -> None:
    finish_run(cloud, athena, average="1.00")
    publish()
    finish_run(cloud, athena, f"{RUN}-again", average="2.00")
    assert publish(f"{RUN}-again")["status"] == "PUBLISHED"
    assert _averages_seen(athena) == {"2.00"}


def test_clocks_that_go_back_do_not_hide_a_run(
    cloud: Cloud, athena: FakeAthena, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish_older(cloud, athena)
    finish_run(cloud, athena, average="2.00")
    monkeypatch.setattr(
        "pipeline.publication.pointer.utc_now", lambda: "2020-01-01T00:00:00.000000Z"
    )
    publish()
    assert _averages_seen(athena) == {"2.00"}


def _go_back(cloud: Cloud, folder: Path, run_id: str) -> None:
    """Type what `docs/operations.md` says, with files for the bucket."""
    shown = folder / "published_runs"
    shown.mkdir()
    for key, text in objects(cloud, "published_runs/").items():
        (folder / key).write_text(text)
    (old,) = (path.stem for path in shown.iterdir() if run_id in path.name)
    page = (Path(__file__).resolve().parents[3] / "docs" / "operations.md").read_text()
    _, _, section = page.partition("## Roll back to an earlier run")
    commands = section.partition("```sh\n")[2].partition("```")[0]
    commands = commands.replace("s3://BUCKET", str(folder)).replace("OLD", old)
    aws = 'aws() { [ "$1 $2" = "s3 cp" ] && cp "$3" "$4"; }\n'
    subprocess.run(["sh", "-c", aws + commands], cwd=folder, check=True)
    (made,) = (path for path in shown.iterdir() if "rollback-to" in path.name)
    cloud.put(f"published_runs/{made.name}", made.read_bytes())


def test_going_back_by_hand_is_one_more_pointer(
    cloud: Cloud, athena: FakeAthena, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All tables go back together; publishing again leaves them, the next run is shown."""
    an_hour_ago = format_utc(parse_utc(utc_now()) - timedelta(hours=1))
    assert published_run_id(boto3.client("s3"), cloud.bucket) is None
    with monkeypatch.context() as patch:
        patch.setattr("pipeline.publication.pointer.utc_now", lambda: an_hour_ago)
        publish_older(cloud, athena)
        finish_run(cloud, athena, average="2.00")
        publish()
    assert published_run_id(boto3.client("s3"), cloud.bucket) == RUN
    _go_back(cloud, tmp_path, OLDER)
    assert _averages_seen(athena) == {"1.00"}
    assert published_run_id(boto3.client("s3"), cloud.bucket) == OLDER
    publish()
    assert _averages_seen(athena) == {"1.00"}
    finish_run(cloud, athena, "next", average="3.00")
    publish("next", "2026-11-24T08:00:00.000000Z")
    assert _averages_seen(athena) == {"3.00"}
    assert published_run_id(boto3.client("s3"), cloud.bucket) == "next"


@pytest.mark.parametrize("held_before", [False, True])
def test_a_later_run_takes_the_pointer_between_look_and_take(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, held_before: bool
) -> None:
    """What was seen no longer holds: the earlier run looks again, and leaves it."""
    earliest, earlier, later = (
        Run(f"run-{day}", "raw/x/", f"2026-11-0{day}T08:00:00.000000Z", ()) for day in (1, 2, 3)
    )
    if held_before:
        claim_pointer(cloud.ledger, earliest)
    looked: list[str] = []

    def after(operation: str, *_: object) -> None:
        looked.append(operation)
        if looked == ["GetItem"]:
            claim_pointer(cloud.ledger, later)

    watch_calls(monkeypatch, after)
    assert claim_pointer(cloud.ledger, earlier).run_id == later.run_id
