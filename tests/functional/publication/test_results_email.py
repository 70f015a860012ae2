"""The email about the results of a run, as it reaches the topic."""

from __future__ import annotations

from datetime import date

import pytest

from contract.layout import REPORT_PAGE, run_report_key
from pipeline.notifications.emails import Email
from tests.functional.conftest import Cloud
from tests.support.athena import FakeAthena
from tests.support.publishing import publish
from tests.support.real_runs import finish_real_run
from tests.support.results import REAL_DATA
from tests.support.retry_clock import RetryClock
from tests.support.snapshots import check_email

W21, W22 = "2024-w21-4b1c7f02d9e85a361c04", "2024-w22-352dbd7a90c41e6f8b27"

needs_real_data = pytest.mark.skipif(
    not REAL_DATA.exists(), reason="the real data is not part of the repository"
)


@pytest.fixture
def athena(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> FakeAthena:
    """An Athena with an empty catalog. Nothing waits for a query."""
    RetryClock().install(monkeypatch)
    fake = FakeAthena(cloud.bucket)
    fake.install(monkeypatch)
    return fake


def _take_email(cloud: Cloud) -> Email:
    ((subject, body),) = cloud.emails()
    return Email(subject, body)


@needs_real_data
def test_email_about_real_data(cloud: Cloud, athena: FakeAthena) -> None:
    """The run before had the same data until 24 May."""
    finish_real_run(cloud, athena, REAL_DATA, W21, date(2024, 5, 24))
    publish(W21, "2026-11-24T08:00:00.000000Z", batch="raw/2024-w21/")
    assert _take_email(cloud).subject == "Rental KPIs: 15.4M, week -3.4%, 0 rejected (2024-w21)"
    finish_real_run(cloud, athena, REAL_DATA, W22, date(2024, 5, 31))
    cloud.put(run_report_key(W22, REPORT_PAGE), b"<!doctype html>")
    publish(W22, "2026-11-25T08:00:00.000000Z", batch="raw/2024-w22/")
    check_email("results", _take_email(cloud))
