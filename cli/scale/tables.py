"""The tables of `docs/scale.md`, which the command `scale` prints for other numbers.

A table is a header and rows of text, which are valid Markdown.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cli.scale import assumptions, limits, prices
from cli.scale.daily_load import TABLES, DailyLoad
from cli.scale.demand import (
    Demand,
    count_queries,
    count_transitions,
    list_batch_demands,
    list_daily_demands,
)
from cli.scale.growth import estimate_crawl_seconds, list_accumulations
from cli.scale.ledger_items import list_item_loads
from cli.scale.limits import Limit
from cli.scale.queueing import compute_slot_load, find_min_slots
from cli.scale.run_estimate import Parameters, estimate_run, find_max_rentals, format_gib

_MILLION = 1_000_000
_MAX_WAIT_SECONDS = 60.0
_MIN_SHOWN_SHARE = 0.01
_NO_TIMEOUT = Limit("", math.inf, "s", "")
_MIN_WHOLE_NUMBER = 100


@dataclass(frozen=True)
class Table:
    """A table of text."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def make_assumptions_table() -> Table:
    """Return all figures that the arithmetic starts from."""
    core_seconds = assumptions.get_core_seconds_per_million()
    rows = [
        (entry.meaning, f"{entry.value:,g} {entry.unit}".strip(), entry.origin, entry.remark)
        for entry in assumptions.ALL
    ]
    computed = ("core time of both jobs for a million rentals", f"{core_seconds:.1f} s")
    return Table(
        ("figure", "value", "known by", "from"),
        (*rows, (*computed, "computed", "the measured seconds without the start, times two cores")),
    )


def make_prices_table() -> Table:
    """Return all prices with their sources."""
    return Table(
        ("price", "US dollars", "unit", "source"),
        tuple(
            (
                price.name,
                f"{price.dollars:g}",
                price.unit,
                f"<{price.source}>" + (f"; {price.remark}" if price.remark else ""),
            )
            for price in prices.ALL
        ),
    )


def make_batches_table(cases: Sequence[tuple[int, Parameters]]) -> Table:
    """Return what single batches need, take, and cost.

    Args:
        cases: The number of rentals, and the parameters, of each row.
    """
    rows = []
    for rentals, parameters in cases:
        run = estimate_run(rentals, parameters)
        rows.append(
            (
                f"{rentals:,}",
                format_gib(run.input_bytes),
                f"{parameters.max_workers}",
                f"{run.size.on_demand_workers} + {run.size.spot_workers}",
                f"{run.size.disk_gib}",
                f"{run.job_seconds / 60:.1f}",
                f"{run.run_seconds / 60:.0f}",
                f"{run.cluster_dollars:.2f}",
            )
        )
    header = ("rentals", "GiB", "`MaxWorkers`", "workers", "disk, GiB", "jobs, min", "run, min")
    return Table((*header, "cluster, USD"), tuple(rows))


def make_largest_batches_table(max_workers: Sequence[int]) -> Table:
    """Return the largest batch that ends before the timeouts, by the number of workers."""
    rows = []
    for workers in max_workers:
        parameters = Parameters(max_workers=workers)
        millions = [
            find_max_rentals(
                parameters, step_timeout=step.value, pin_timeout=limits.PIN_TIMEOUT.value
            )
            for step in (limits.STEP_TIMEOUT, _NO_TIMEOUT)
        ]
        first = limits.PIN_TIMEOUT if millions[0] == millions[1] else limits.STEP_TIMEOUT
        rows.append((f"{workers}", f"{millions[0]:,}", first.name))
    return Table(("`MaxWorkers`", "million rentals", "met first"), tuple(rows))


def make_batch_limits_table(rentals: int, parameters: Parameters) -> Table:
    """Return how much of each limit a single batch demands."""
    demands = list_batch_demands(estimate_run(rentals, parameters), parameters)
    return _make_demands_table(demands, [{demand.limit: demand for demand in demands}], ["demand"])


def make_daily_limits_table(loads: Sequence[DailyLoad]) -> Table:
    """Return how much of each limit the batches of a day demand.

    Args:
        loads: The same batches, arriving in different numbers of hours.
    """
    demands = [list_daily_demands(load) for load in loads]
    by_limit = [{demand.limit: demand for demand in entry} for entry in demands]
    return _make_demands_table(demands[0], by_limit, [f"{load.hours:g} hours" for load in loads])


def _make_demands_table(
    order: Sequence[Demand], demands: Sequence[Mapping[Limit, Demand]], names: Sequence[str]
) -> Table:
    rows = [
        (
            first.limit.name,
            f"{first.limit.value:,.10g} {first.limit.unit}".strip(),
            *(text for entry in demands for text in _format_demand(entry[first.limit])),
            first.limit.source,
        )
        for first in order
    ]
    columns = [text for name in names for text in (name, "share")]
    return Table(("limit", "value", *columns, "source"), tuple(rows))


def _format_demand(demand: Demand) -> tuple[str, str]:
    share = f"**{demand.share:,.0%}**" if demand.share >= 1 else _format_share(demand.share)
    return _format_number(demand.value), share


def make_accumulations_table(batches: int) -> Table:
    """Return the limits that fill up, with the days until they are met."""
    return Table(
        ("limit", "value", "a run adds", f"met after, at {batches:,} runs a day", "source"),
        tuple(
            (
                entry.limit.name,
                f"{entry.limit.value:,.0f}",
                str(entry.per_run),
                f"{entry.days:,.0f} days",
                entry.limit.source,
            )
            for entry in list_accumulations(batches)
        ),
    )


def make_slots_table(batches: int, rentals: int, hours: Sequence[float]) -> Table:
    """Return how many slots are needed if the batches arrive in some hours of the day."""
    rows = []
    for period in hours:
        load = DailyLoad(batches, rentals, Parameters(), period)
        needed = find_min_slots(load.rate, load.run.run_seconds, _MAX_WAIT_SECONDS)
        slots = compute_slot_load(load.rate, load.run.run_seconds, needed)
        rows.append(
            (
                f"{period:g} hours",
                f"{load.rate:.3f}",
                f"{load.run.run_seconds / 60:.1f}",
                f"{slots.busy_slots:.0f}",
                f"{needed}",
                f"{slots.wait_seconds:.0f}",
                f"{needed * load.run.size.nodes * load.parameters.vcpus:,}",
            )
        )
    header = ("batches arrive within", "runs/s", "minutes with a slot", "runs in progress", "slots")
    return Table((*header, "average wait, s", "vCPUs"), tuple(rows))


def make_items_table(loads: Sequence[DailyLoad]) -> Table:
    """Return the load of the hot ledger items."""
    rows = [
        (
            f"{load.hours:g} hours",
            item.name,
            f"{item.kilobytes:,.0f}",
            f"{item.writes:g} / {item.reads:g}",
            f"{item.write_units:.1f} of {limits.PARTITION_WRITES.value:,g}",
            f"{item.read_units:.1f} of {limits.PARTITION_READS.value:,g}",
        )
        for load in loads
        for item in list_item_loads(load)
    ]
    header = ("batches arrive within", "key", "KB", "writes / reads of a run")
    return Table((*header, "write units/s", "read units/s"), tuple(rows))


def make_crawl_table(batches: int, days: Sequence[int]) -> Table:
    """Return how long a crawl takes, and what its requests cost, by the runs that are kept."""
    rows = []
    for period in days:
        runs = batches * period
        seconds = estimate_crawl_seconds(runs)
        lists = TABLES * runs / 1000 * prices.LISTS.dollars
        rows.append(
            (
                f"{batches:,}",
                f"{period:,}",
                f"{runs:,}",
                f"{TABLES * runs:,}",
                f"{seconds / 60:,.0f}",
                f"{lists:,.2f}",
            )
        )
    header = ("runs a day", "`OutputRetentionDays`", "kept runs", "folders", "crawl, min")
    return Table((*header, "requests of a crawl, USD"), tuple(rows))


def make_daily_cost_table(load: DailyLoad) -> Table:
    """Return what the batches of a day cost, without storage and the requests of crawls."""
    crawls = min(load.batches, 86_400 / assumptions.CRAWL_SECONDS.value)
    ledger_units = 86_400 * sum(item.write_units for item in list_item_loads(load))
    ledger_units *= load.hours / 24
    costs = {
        "clusters": load.batches * load.run.cluster_dollars,
        "crawls, back to back, 10 minutes each, 1 DPU": crawls * prices.CRAWLER.dollars / 6,
        "state transitions": load.batches
        * count_transitions()
        / 1000
        * prices.STATE_TRANSITIONS.dollars,
        "queries, 10 MB each": load.batches
        * (count_queries() - TABLES)
        * 10
        / _MILLION
        * prices.QUERIES.dollars,
        "ledger, three times the writes of the hot items": 3
        * ledger_units
        / _MILLION
        * prices.LEDGER_WRITES.dollars,
    }
    costs["total"] = sum(costs.values())
    return Table(
        ("what", "USD a day"), tuple((name, f"{value:,.0f}") for name, value in costs.items())
    )


def _format_share(share: float) -> str:
    return f"{share:.0%}" if share >= _MIN_SHOWN_SHARE else "< 1%"


def _format_number(value: float) -> str:
    """Return a number with two significant digits, or as a whole number if it is large."""
    if value >= _MIN_WHOLE_NUMBER or math.isclose(value, round(value)):
        return f"{value:,.0f}"
    return f"{value:,.1f}" if value >= 1 else f"{value:.2g}"
