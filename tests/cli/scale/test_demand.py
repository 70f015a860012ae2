"""What batches demand, and the limits that are ours."""

from __future__ import annotations

import re

import pytest

from cli.scale import limits
from cli.scale.cluster_size import GIB
from cli.scale.daily_load import FILES, SWEEP_SECONDS, TABLES, DailyLoad
from cli.scale.demand import (
    CHECK_SECONDS,
    STATES_OF_A_CHECK,
    STATES_OF_A_RUN,
    count_queries,
    count_step_polls,
    count_transitions,
    list_batch_demands,
    list_daily_demands,
)
from cli.scale.growth import (
    estimate_crawl_seconds,
    estimate_lost_upload_search,
    find_max_crawled_runs,
    find_max_input_retention,
    list_accumulations,
)
from cli.scale.ledger_items import list_item_loads
from cli.scale.run_estimate import Parameters, estimate_run
from pipeline.publication.catalog import (
    build_question_queries,
    build_row_count_query,
    build_view_queries,
)
from tests.infra.support import asl
from tests.infra.support.template import resource

LOAD = DailyLoad(10_000, 100_000, Parameters(max_concurrent_runs=100))


def _get_demands(load: DailyLoad) -> dict[limits.Limit, float]:
    return {demand.limit: demand.value for demand in list_daily_demands(load)}


def test_limits_of_the_state_machine_are_its_own() -> None:
    machine = asl.load_definition()
    states = asl.all_states(machine)
    variables = states["InitializeVariables"]["Assign"]
    assert limits.RUN_TIMEOUT.value == machine["TimeoutSeconds"]
    for name in ("RunTransformation", "RunKpis"):
        assert limits.STEP_TIMEOUT.value == states[name]["TimeoutSeconds"]
    assert variables["poll_seconds"] == CHECK_SECONDS
    assert limits.CRAWL_TIMEOUT.value == variables["max_polls"] * variables["poll_seconds"]
    assert {*STATES_OF_A_RUN, *STATES_OF_A_CHECK} <= set(states)


def test_limits_of_the_template_are_its_own() -> None:
    assert limits.PIN_TIMEOUT.value == resource("PinInputsFunction")["Timeout"]
    assert limits.WATCHDOG_TIMEOUT.value == resource("WatchdogFunction")["Timeout"]
    cutoff = resource("KpiWorkgroup")["WorkGroupConfiguration"]["BytesScannedCutoffPerQuery"]
    assert limits.SCANNED_BYTES.value * GIB == cutoff
    schedule = resource("WatchdogSchedule")["ScheduleExpression"]
    assert schedule == f"rate({SWEEP_SECONDS // 60} minutes)"


def test_largest_disk_is_that_of_the_state_machine() -> None:
    run = estimate_run(100_000_000_000, Parameters())
    assert run.size.disk_gib == limits.DISK_SIZE.value


def test_queries_and_tables_are_those_of_a_publication() -> None:
    views = build_view_queries(personal_data=False)
    assert len(views) == TABLES
    queries = [*views, build_row_count_query("r"), *build_question_queries("r")]
    assert len(queries) == count_queries()


@pytest.mark.parametrize(
    ("seconds", "polls"), [(1, 1), (60, 1), (61, 2), (600, 10), (601, 11), (900, 11), (901, 12)]
)
def test_polls_of_a_step_become_less_frequent(seconds: float, polls: int) -> None:
    assert count_step_polls(seconds) == polls


def test_transitions_include_the_checks_of_the_crawler() -> None:
    # A wait of one and a half crawls of 120 seconds is six checks of four states.
    assert count_transitions() == len(STATES_OF_A_RUN) + 6 * 4


def test_daily_demands_follow_from_the_rate() -> None:
    demands = _get_demands(LOAD)
    rate = 10_000 / 86_400
    assert demands[limits.RUN_JOB_FLOW] == pytest.approx(rate)
    assert demands[limits.ADD_STEPS] == pytest.approx(2 * rate)
    polls = count_step_polls(LOAD.run.step_seconds)
    assert demands[limits.DESCRIBE_STEP] == pytest.approx(2 * polls * rate)
    clusters = rate * LOAD.run.cluster_seconds
    assert demands[limits.ACTIVE_CLUSTERS] == pytest.approx(clusters)
    assert demands[limits.ON_DEMAND_VCPUS] == pytest.approx(clusters * 8)
    assert demands[limits.EVENT_INVOCATIONS] == pytest.approx((FILES + 1) * rate)


def test_demands_are_sorted_by_share() -> None:
    shares = [demand.share for demand in list_daily_demands(LOAD)]
    assert shares == sorted(shares, reverse=True)
    run = estimate_run(1_000_000_000, Parameters())
    shares = [demand.share for demand in list_batch_demands(run, Parameters())]
    assert shares == sorted(shares, reverse=True)


def test_fewer_hours_have_higher_rates() -> None:
    whole_day = _get_demands(LOAD)
    third = _get_demands(DailyLoad(10_000, 100_000, LOAD.parameters, 8))
    for limit in (limits.RUN_JOB_FLOW, limits.DESCRIBE_STEP, limits.ACTIVE_CLUSTERS):
        assert third[limit] == pytest.approx(3 * whole_day[limit])


def test_hot_items_stay_far_below_the_limits_of_a_partition() -> None:
    """That the design of the ledger holds is a claim of docs/scale.md."""
    busy = DailyLoad(10_000, 100_000, Parameters(max_concurrent_runs=260), 8)
    for item in list_item_loads(busy):
        assert item.write_units < 0.02 * limits.PARTITION_WRITES.value
        assert item.read_units < 0.02 * limits.PARTITION_READS.value
    slots, *_ = list_item_loads(busy)
    assert slots.kilobytes < 0.05 * limits.ITEM_SIZE.value


def test_queue_of_all_batches_is_read_within_the_limit_of_a_partition() -> None:
    """Too few slots: all batches of the day wait."""
    overloaded = DailyLoad(10_000, 100_000, Parameters(max_concurrent_runs=4))
    *_, index = list_item_loads(overloaded)
    assert index.kilobytes > 10_000 * 2.5
    assert index.read_units < limits.PARTITION_READS.value


def test_accumulations_are_sorted_by_the_days_until_they_are_met() -> None:
    first, *others = list_accumulations(10_000)
    assert first.limit is limits.TABLE_VERSIONS
    assert first.days == pytest.approx(10)
    assert [entry.days for entry in others] == sorted(entry.days for entry in others)
    assert list_accumulations(4)[0].days == pytest.approx(25_000)


def test_crawls_of_the_largest_number_of_runs_end_in_time() -> None:
    runs = find_max_crawled_runs()
    assert 2 * estimate_crawl_seconds(runs) <= limits.CRAWL_TIMEOUT.value
    assert 2 * estimate_crawl_seconds(runs + 1) > limits.CRAWL_TIMEOUT.value


def test_search_for_lost_uploads_ends_in_time() -> None:
    days = find_max_input_retention(10_000)
    assert estimate_lost_upload_search(10_000, days) < limits.WATCHDOG_TIMEOUT.value
    assert estimate_lost_upload_search(10_000, days + 1) >= limits.WATCHDOG_TIMEOUT.value
    # 10,000 batches: 120,000 keys a day at 5,000 a second, and 20,000 items at 200 a second
    assert estimate_lost_upload_search(10_000, 1) == pytest.approx(24 + 100)


def test_quotas_name_a_code_or_a_page() -> None:
    for limit in vars(limits).values():
        if isinstance(limit, limits.Limit) and not limit.is_ours:
            assert re.fullmatch(r"\[[\w:. -]+\]\(https://\S+\)", limit.source), limit
