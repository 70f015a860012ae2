"""The chart of the last runs."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from report import formats
from report.charts.specs import Chart, Spec, axis, build_spec, make_unique
from report.inputs import PastRun
from report.tables import Column, build_table


def build_past_runs_chart(runs: Sequence[PastRun], limit: str | None) -> Chart:
    """Return the share of rejected rentals in the last runs."""
    labels = make_unique([formats.day_and_time(run.time) for run in runs])
    values = [
        {
            "run": run.run_id,
            "time": label,
            "percent": float(_percent_rejected(run)),
            "rejected": run.rentals.rejected,
            "revenue": run.revenue,
        }
        for label, run in zip(labels, runs, strict=True)
    ]
    x: Spec = {
        "field": "time",
        "type": "ordinal",
        "sort": None,
        "axis": axis(grid=False, labelAngle=0, labelLimit=110, labelOverlap=True),
    }
    y = {
        "field": "percent",
        "type": "quantitative",
        "axis": axis(title="rejected rentals (%)", tickCount=4),
        "scale": {"domain": [0, _find_top(runs, limit)]},
    }
    layers: list[Spec] = [
        {
            "mark": {"type": "bar", "size": 24},
            "encoding": {
                "x": x,
                "y": y,
                "tooltip": [
                    {"field": "run", "type": "nominal"},
                    {"field": "time", "type": "nominal"},
                    {"field": "percent", "type": "quantitative", "format": ".2f"},
                    {"field": "rejected", "type": "quantitative", "format": ","},
                ],
            },
        },
        {
            "mark": {"type": "text", "dy": -8},
            "encoding": {
                "x": x,
                "y": y,
                "text": {"field": "percent", "type": "quantitative", "format": ".1f"},
            },
        },
    ]
    if limit:
        layers.append(
            {
                "data": {"values": [{"limit": float(limit)}]},
                "mark": {"type": "rule", "stroke": "var(--bad)", "strokeDash": [4, 3]},
                "encoding": {"y": {"field": "limit", "type": "quantitative"}},
            }
        )
    rows = [
        [
            run.run_id,
            formats.time(run.time),
            formats.count(run.rentals.read),
            formats.count(run.rentals.rejected),
            f"{_percent_rejected(run):.2f}%",
            formats.count(sum(run.warnings.values())),
            formats.money(Decimal(run.revenue)),
        ]
        for run in runs
    ]
    columns = [
        Column("run"),
        Column("time", is_minor=True),
        Column("rentals", True, is_minor=True),
        Column("rejected", True),
        Column("share", True),
        Column("warnings", True, is_minor=True),
        Column("revenue", True),
    ]
    return Chart(
        "past_runs",
        "Rejected rentals in the last runs",
        "The last bar is this run."
        + (f" Dashed line: the limit of {Decimal(limit).normalize():f}%." if limit else ""),
        f"{len(runs):,} runs; {_percent_rejected(runs[-1]):.2f}% of the rentals of this run were"
        " rejected.",
        build_spec(values, 150, layer=layers),
        build_table("The last runs", columns, rows[::-1]),
    )


def _find_top(runs: Sequence[PastRun], limit: str | None) -> float:
    """Return the end of the axis, with space for the limit and for a label above each bar."""
    highest = max([*map(_percent_rejected, runs), Decimal(limit or 0), Decimal(1)])
    return float(highest * Decimal("1.15"))


def _percent_rejected(run: PastRun) -> Decimal:
    if not run.rentals.read:
        return Decimal(0)
    return (Decimal(100 * run.rentals.rejected) / run.rentals.read).quantize(Decimal("0.01"))
