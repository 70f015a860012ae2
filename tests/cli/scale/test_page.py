"""The numbers in the text of `docs/scale.md`, outside its generated sections."""

from __future__ import annotations

import pytest

from cli.scale import limits
from cli.scale.daily_load import DailyLoad
from cli.scale.demand import list_daily_demands
from cli.scale.growth import (
    estimate_lost_upload_search,
    find_max_crawled_runs,
    find_max_input_retention,
    list_accumulations,
)
from cli.scale.page import BATCHES, BILLION, LARGE_BATCH, RENTALS_OF_A_BATCH, SLOTS
from cli.scale.queueing import find_min_slots
from cli.scale.run_estimate import Parameters, estimate_run
from tests.infra.support.template import PROJECT, template

TEXT = " ".join((PROJECT / "docs" / "scale.md").read_text("utf-8").split())
DEFAULT_RETENTION = template()["Parameters"]["InputRetentionDays"]["Default"]
DEFAULT_OUTPUT_RETENTION = template()["Parameters"]["OutputRetentionDays"]["Default"]


def _make_load(hours: int) -> DailyLoad:
    parameters = Parameters(max_concurrent_runs=SLOTS[hours])
    return DailyLoad(BATCHES, RENTALS_OF_A_BATCH, parameters, hours)


@pytest.mark.parametrize("hours", SLOTS)
def test_recommended_slots_suffice_and_are_allowed(hours: int) -> None:
    load = _make_load(hours)
    assert SLOTS[hours] >= find_min_slots(load.rate, load.run.run_seconds, 60)
    assert SLOTS[hours] <= template()["Parameters"]["MaxConcurrentRuns"]["MaxValue"]
    assert f"`MaxConcurrentRuns` | 4 | unchanged | {SLOTS[24]}, or {SLOTS[8]} if" in TEXT


def test_maximum_of_slots_stays_below_the_quota_of_clusters() -> None:
    """The slots are not the only clusters of an account."""
    maximum = template()["Parameters"]["MaxConcurrentRuns"]["MaxValue"]
    assert maximum <= 0.8 * limits.ACTIVE_CLUSTERS.value


def test_claims_about_a_billion_rentals() -> None:
    default, large = (estimate_run(BILLION, entry) for entry in (Parameters(), LARGE_BATCH))
    assert "about three quarters of an hour, on one cluster for less than two dollars" in TEXT
    assert default.run_seconds == pytest.approx(2700, rel=0.1)
    assert default.cluster_dollars < 2
    assert large.run_seconds < default.run_seconds / 2 + 1
    assert default.size.nodes == 11
    assert large.size.nodes == 46
    assert "| free addresses of the subnet | | 11, or 46 | 200, or 520 |" in TEXT
    vcpus = [(run.size.count_on_demand_vcpus(4, 4), run.size.nodes * 4) for run in (default, large)]
    (few, all_few), (many, all_many) = vcpus
    assert f"| {few} to {all_few}, or {many} to {all_many} | 800, or 2,080 |" in TEXT


def test_claims_about_quotas() -> None:
    step = next(d for d in list_daily_demands(_make_load(24)) if d.limit is limits.DESCRIBE_STEP)
    assert BATCHES / step.share == pytest.approx(3_000, rel=0.1)
    assert "enough for about 3,000 runs a day" in TEXT
    for hours, quotas in ((24, (2, 0.5, 5, 20)), (8, (6, 1, 10, 40))):
        demands = {demand.limit: demand.value for demand in list_daily_demands(_make_load(hours))}
        names = (
            limits.DESCRIBE_STEP,
            limits.ADD_STEPS,
            limits.ALL_EMR_CALLS,
            limits.ACTIVE_DDL_QUERIES,
        )
        for limit, quota in zip(names, quotas, strict=True):
            assert demands[limit] < quota


def test_claims_about_retention() -> None:
    assert f"if `InputRetentionDays` is at most {find_max_input_retention(BATCHES)};" in TEXT
    assert estimate_lost_upload_search(1_300, DEFAULT_RETENTION) < limits.WATCHDOG_TIMEOUT.value
    assert estimate_lost_upload_search(1_400, DEFAULT_RETENTION) > limits.WATCHDOG_TIMEOUT.value
    runs = find_max_crawled_runs()
    assert runs == pytest.approx(3_700, rel=0.02)
    assert runs // DEFAULT_OUTPUT_RETENTION == 5
    assert (
        f"five a day with the default `OutputRetentionDays` of {DEFAULT_OUTPUT_RETENTION}" in TEXT
    )
    assert runs / 90 == pytest.approx(40, abs=2)
    assert list_accumulations(4)[0].days / 365 == pytest.approx(68, abs=1)


def test_clusters_are_nine_tenths_of_the_cost_of_small_batches() -> None:
    run = _make_load(24).run
    assert "three quarters of the time of a cluster is its start" in TEXT
    assert (run.cluster_seconds - run.job_seconds - 120) / run.cluster_seconds == pytest.approx(
        0.75, abs=0.05
    )
