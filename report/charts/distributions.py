"""The charts that show how locations and users are distributed."""

from __future__ import annotations

from collections.abc import Sequence

from report import formats
from report.charts.specs import ACCENT, COMPACT, Chart, Spec, axis, build_spec
from report.figures import Bar
from report.inputs import Row
from report.tables import Column, build_table

_LAST_USERS_BAR = 20


def build_location_chart(bars: Sequence[Bar]) -> Chart:
    """Return how many locations earn how much."""
    values = [
        {"start": float(bar.start), "end": float(bar.end), "locations": bar.count} for bar in bars
    ]
    spec = build_spec(
        values,
        180,
        mark={"type": "rect", "fill": ACCENT, "stroke": "var(--paper)", "strokeWidth": 1},
        encoding={
            "x": {
                "field": "start",
                "type": "quantitative",
                "scale": {"zero": False, "nice": False},
                "axis": axis(
                    title="revenue of a location", format=COMPACT, grid=False, tickCount=8
                ),
            },
            "x2": {"field": "end"},
            "y": {
                "field": "locations",
                "type": "quantitative",
                "axis": axis(title="locations", tickCount=4),
            },
            "y2": {"datum": 0},
            "tooltip": [
                {"field": "start", "type": "quantitative", "title": "from", "format": ",.0f"},
                {"field": "end", "type": "quantitative", "title": "below", "format": ",.0f"},
                {"field": "locations", "type": "quantitative", "format": ","},
            ],
        },
    )
    total = sum(bar.count for bar in bars)
    highest = max(bars, key=lambda bar: bar.count)
    rows = [
        [formats.money(bar.start), formats.money(bar.end), formats.count(bar.count)] for bar in bars
    ]
    return Chart(
        "location_distribution",
        "How evenly do locations earn?",
        f"Each bar: how many of the {total:,} locations earn that much.",
        f"Most locations, {highest.count:,}, earn from {formats.money(highest.start)} to"
        f" {formats.money(highest.end)}.",
        spec,
        build_table(
            "Locations by revenue",
            [Column("from", True), Column("below", True), Column("locations", True)],
            rows,
        ),
    )


def build_user_chart(answer: Sequence[Row]) -> Chart:
    """Return how many users rent how often."""
    bars = [
        (int(row["rentals"] or 0), int(row["users"] or 0), int(row["all_rentals"] or 0))
        for row in answer
    ]
    labels = [
        f"{rentals} or more" if rentals == _LAST_USERS_BAR else str(rentals)
        for rentals, _, _ in bars
    ]
    users = sum(count for _, count, _ in bars)
    values = [
        {"rentals": label, "users": count, "share": formats.share(count, users)}
        for label, (_, count, _) in zip(labels, bars, strict=True)
    ]
    encoding: Spec = {
        "y": {
            "field": "rentals",
            "type": "ordinal",
            "sort": None,
            "axis": axis(title="rentals of a user", grid=False),
        },
        "x": {"field": "users", "type": "quantitative", "axis": axis(title="users", tickCount=5)},
    }
    spec = build_spec(
        values,
        34 * len(bars),
        layer=[
            {
                "mark": {"type": "bar", "height": 22},
                "encoding": {
                    **encoding,
                    "tooltip": [
                        {"field": "rentals", "type": "nominal"},
                        {"field": "users", "type": "quantitative", "format": ","},
                        {"field": "share", "type": "nominal", "title": "share of users"},
                    ],
                },
            },
            {
                "mark": {"type": "text", "align": "left", "dx": 5},
                "encoding": {
                    **encoding,
                    "text": {"field": "users", "type": "quantitative", "format": ","},
                },
            },
        ],
    )
    rentals = sum(count for _, _, count in bars)
    rows = [
        [label, formats.count(count), formats.share(count, users), formats.share(total, rentals)]
        for label, (_, count, total) in zip(labels, bars, strict=True)
    ]
    return Chart(
        "users",
        "How often users rent",
        "Users with at least one rental. The report names no users.",
        f"{formats.share(bars[0][1], users)} of {users:,} users rent {labels[0]} times.",
        spec,
        build_table(
            "Users by number of rentals",
            [
                Column("rentals"),
                Column("users", True),
                Column("share of users", True),
                Column("share of rentals", True),
            ],
            rows,
        ),
    )
