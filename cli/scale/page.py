"""The generated sections of `docs/scale.md`: a billion rentals in a batch, 10,000 batches a day."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from cli.scale import tables
from cli.scale.daily_load import DailyLoad
from cli.scale.run_estimate import Parameters

BATCHES = 10_000
RENTALS_OF_A_BATCH = 100_000
BILLION = 1_000_000_000
LARGE_BATCH = Parameters(max_workers=45)
SLOTS = {24: 100, 8: 260}
"""The value of `MaxConcurrentRuns` that the page recommends, by the hours of arrivals."""


def _render(table: tables.Table) -> str:
    lines = [table.header, ("---",) * len(table.header), *table.rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _make_loads() -> list[DailyLoad]:
    return [
        DailyLoad(BATCHES, RENTALS_OF_A_BATCH, Parameters(max_concurrent_runs=slots), hours)
        for hours, slots in SLOTS.items()
    ]


def _make_batches() -> tables.Table:
    default = Parameters()
    cases = [(10**power, default) for power in range(5, 10)]
    cases += [(BILLION, LARGE_BATCH), (10 * BILLION, default), (10 * BILLION, Parameters(100))]
    return tables.make_batches_table(cases)


SECTIONS: Mapping[str, Callable[[], str]] = {
    "assumptions": lambda: _render(tables.make_assumptions_table()),
    "batches": lambda: _render(_make_batches()),
    "largest-batches": lambda: _render(tables.make_largest_batches_table([1, 4, 10, 45, 100])),
    "batch-limits": lambda: _render(tables.make_batch_limits_table(BILLION, Parameters())),
    "slots": lambda: _render(tables.make_slots_table(BATCHES, RENTALS_OF_A_BATCH, list(SLOTS))),
    "items": lambda: _render(tables.make_items_table(_make_loads())),
    "daily-limits": lambda: _render(tables.make_daily_limits_table(_make_loads())),
    "accumulations": lambda: _render(tables.make_accumulations_table(BATCHES)),
    "crawls": lambda: _render(
        tables.Table(
            tables.make_crawl_table(4, []).header,
            tables.make_crawl_table(4, [90, 730]).rows
            + tables.make_crawl_table(BATCHES, [1, 7]).rows,
        )
    ),
    "cost": lambda: _render(tables.make_daily_cost_table(_make_loads()[0])),
    "prices": lambda: _render(tables.make_prices_table()),
}
"""The text of each section by the name in its markers."""
