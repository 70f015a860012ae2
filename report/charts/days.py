"""The charts of the section "Over time"."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal

from report import formats
from report.charts.specs import ACCENT, COMPACT, MUTED, PALE, Chart, Spec, axis, build_spec
from report.figures import DayFigures, Trend, WeekFigures, compute_weekly_mean
from report.tables import Column, DataTable, build_table

_HEAT_COLORS = tuple(f"var(--heat-{index})" for index in range(1, 6))
_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MAX_HEAT_WEEKS = 53
_CROSS = "\N{MULTIPLICATION SIGN}"


def _days_axis(**options: object) -> Spec:
    return {
        "field": "day",
        "type": "temporal",
        "scale": {"type": "utc"},
        "axis": axis(format="%-d %b %y", labelOverlap=True, grid=False, tickCount=6),
        **options,
    }


def build_daily_chart(days: Sequence[DayFigures], trend: Trend | None) -> Chart:
    """Return the revenue of each day, with the mean of seven days and the two compared weeks."""
    means = compute_weekly_mean(days)
    values = [
        {
            "day": row.day.isoformat(),
            "revenue": float(row.revenue),
            "mean": None if mean is None else round(float(mean), 2),
            "rentals": row.rentals,
        }
        for row, mean in zip(days, means, strict=True)
    ]
    y_axis = {"type": "quantitative", "axis": axis(format=COMPACT, tickCount=4)}
    tooltip = [
        {"field": "day", "type": "temporal", "title": "day", "format": "%-d %b %Y"},
        {"field": "revenue", "type": "quantitative", "format": ",.2f"},
        {"field": "mean", "type": "quantitative", "title": "7-day mean", "format": ",.2f"},
        {"field": "rentals", "type": "quantitative", "format": ","},
    ]
    layers = _build_week_bands(trend) if trend else []
    layers += [
        {
            "mark": {"type": "line", "stroke": MUTED, "strokeWidth": 1, "opacity": 0.7},
            "encoding": {"x": _days_axis(), "y": {"field": "revenue", **y_axis}},
        },
        {
            "mark": {"type": "line", "stroke": ACCENT, "strokeWidth": 2.5},
            "encoding": {"x": _days_axis(), "y": {"field": "mean", **y_axis}},
        },
        {
            "mark": {"type": "point", "opacity": 0, "size": 80, "stroke": ACCENT},
            "encoding": {
                "x": _days_axis(),
                "y": {"field": "revenue", **y_axis},
                "tooltip": tooltip,
            },
        },
    ]
    rows = [
        [
            formats.day(row.day),
            formats.count(row.rentals),
            formats.money(row.revenue),
            formats.money(mean),
        ]
        for row, mean in zip(days, means, strict=True)
    ]
    highest = max(days, key=lambda row: row.revenue)
    lowest = min(days, key=lambda row: row.revenue)
    return Chart(
        "daily_revenue",
        "Revenue by day",
        "Thin line: each day. Thick line: mean of seven days. Shaded: the two weeks that are"
        " compared above.",
        f"The highest day is {formats.day(highest.day)} with {formats.money(highest.revenue)},"
        f" the lowest {formats.day(lowest.day)} with {formats.money(lowest.revenue)}.",
        build_spec(values, 220, layer=layers),
        build_table(
            "Revenue by day",
            [
                Column("day"),
                Column("rentals", True),
                Column("revenue", True),
                Column("7-day mean", True),
            ],
            rows[::-1],
        ),
    )


def _build_week_bands(trend: Trend) -> list[Spec]:
    """Return a layer for each of the two compared weeks."""
    return [
        {
            "data": {
                "values": [{"start": week.first_day.isoformat(), "end": week.last_day.isoformat()}]
            },
            "mark": {"type": "rect", "fill": ACCENT, "opacity": opacity},
            "encoding": {"x": _days_axis(field="start"), "x2": {"field": "end"}},
        }
        for week, opacity in ((trend.before, 0.08), (trend.last, 0.2))
    ]


def build_weekly_chart(weeks: Sequence[WeekFigures]) -> Chart:
    """Return the revenue of each calendar week."""
    values = [
        {
            "week": week.first_day.isoformat(),
            "days": week.days,
            "revenue": float(week.values["revenue"]),
            "rentals": int(week.values["rentals"]),
            "complete": week.days == len(_WEEKDAYS),
        }
        for week in weeks
    ]
    encoding: Spec = {
        "x": {
            "field": "week",
            "type": "ordinal",
            "timeUnit": "utcyearmonthdate",
            "axis": axis(format="%-d %b %y", labelAngle=0, labelOverlap=True, grid=False),
        },
        "y": {
            "field": "revenue",
            "type": "quantitative",
            "axis": axis(format=COMPACT, tickCount=4),
        },
        "tooltip": [
            {"field": "week", "type": "temporal", "title": "week of", "format": "%-d %b %Y"},
            {"field": "days", "type": "quantitative"},
            {"field": "revenue", "type": "quantitative", "format": ",.2f"},
            {"field": "rentals", "type": "quantitative", "format": ","},
        ],
    }
    outline: Spec = {"fill": PALE, "stroke": ACCENT, "strokeDash": [3, 2], "strokeWidth": 1.5}
    layers: list[Spec] = [
        {"mark": {"type": "bar", **mark}, "encoding": encoding, "transform": [{"filter": test}]}
        for mark, test in (({}, "datum.complete"), (outline, "!datum.complete"))
    ]
    spec = build_spec(values, 180, layer=layers)
    incomplete = [week for week in weeks if week.days < len(_WEEKDAYS)]
    note = "Weeks begin on Monday."
    if incomplete:
        note += " Pale with a dashed outline: fewer than seven days with rentals."
    rows = [
        [
            formats.days(week.first_day, week.last_day),
            str(week.days),
            formats.count(week.values["rentals"]),
            formats.money(week.values["revenue"]),
        ]
        for week in weeks
    ]
    return Chart(
        "weekly_revenue",
        "Revenue by calendar week",
        note,
        f"{len(weeks):,} weeks, {len(incomplete):,} of them incomplete.",
        spec,
        build_table(
            "Revenue by calendar week",
            [
                Column("week"),
                Column("days", True),
                Column("rentals", True),
                Column("revenue", True),
            ],
            rows[::-1],
        ),
    )


def build_calendar_chart(days: Sequence[DayFigures]) -> Chart:
    """Return a calendar of the last 53 weeks whose days have one of five shades."""
    last_monday = days[-1].day.toordinal() - days[-1].day.weekday()
    first = last_monday - 7 * (_MAX_HEAT_WEEKS - 1)
    shown = [row for row in days if row.day.toordinal() >= first]
    revenues = sorted(row.revenue for row in shown if row.rentals)
    values = [
        {
            "week": _monday(row).isoformat(),
            "weekday": _WEEKDAYS[row.day.weekday()],
            "day": row.day.isoformat(),
            "revenue": float(row.revenue),
            "rentals": row.rentals,
            "shade": _shade(row, revenues),
        }
        for row in shown
    ]
    encoding: Spec = {
        "x": {
            "field": "week",
            "type": "ordinal",
            "timeUnit": "utcyearmonthdate",
            "axis": axis(format="%-d %b %y", labelAngle=0, labelOverlap=True, grid=False),
        },
        "y": {"field": "weekday", "type": "ordinal", "sort": list(_WEEKDAYS), "axis": axis()},
    }
    tooltip = [
        {"field": "day", "type": "temporal", "format": "%A, %-d %b %Y"},
        {"field": "revenue", "type": "quantitative", "format": ",.2f"},
        {"field": "rentals", "type": "quantitative", "format": ","},
    ]
    shades = ["none", "lowest fifth", "low", "middle", "high", "highest fifth"]
    spec = build_spec(
        values,
        180,
        layer=[
            {
                "mark": {"type": "rect", "stroke": "var(--paper)", "strokeWidth": 2},
                "encoding": {
                    **encoding,
                    "fill": {
                        "field": "shade",
                        "type": "ordinal",
                        "scale": {"domain": shades[1:], "range": list(_HEAT_COLORS)},
                        "legend": {"title": None, "symbolType": "square", "columns": 3},
                    },
                    "tooltip": tooltip,
                },
                "transform": [{"filter": "datum.shade !== 'none'"}],
            },
            {
                "mark": {
                    "type": "text",
                    "text": "\N{MULTIPLICATION SIGN}",
                    "fontSize": 14,
                    "fill": "var(--bad)",
                },
                "encoding": {**encoding, "tooltip": tooltip},
                "transform": [{"filter": "datum.shade === 'none'"}],
            },
        ],
    )
    missing = sum(not row.rentals for row in shown)
    return Chart(
        "calendar",
        "Every day",
        "Is a day missing, does a weekday stand out? A cross marks a day without rentals.",
        f"{missing:,} of {len(shown):,} days have no rentals.",
        spec,
        _build_weekday_table(shown),
    )


def _monday(row: DayFigures) -> date:
    return row.day.fromordinal(row.day.toordinal() - row.day.weekday())


def _shade(row: DayFigures, revenues: Sequence[Decimal]) -> str:
    """Return the fifth of all days to which a day belongs by its revenue."""
    if not row.rentals:
        return "none"
    rank = sum(revenue < row.revenue for revenue in revenues)
    fifth = min(4, rank * 5 // len(revenues))
    return ("lowest fifth", "low", "middle", "high", "highest fifth")[fifth]


def _build_weekday_table(days: Sequence[DayFigures]) -> DataTable:
    rows = []
    for index, name in enumerate(_WEEKDAYS):
        group = [row for row in days if row.day.weekday() == index]
        present = [row for row in group if row.rentals]
        revenue = sum((row.revenue for row in present), Decimal(0))
        mean = revenue / len(present) if present else None
        rows.append(
            [
                name,
                str(len(present)),
                str(len(group) - len(present)),
                formats.money(revenue),
                formats.money(mean),
            ]
        )
    columns = [
        Column("weekday"),
        Column("days", True),
        Column("without rentals", True),
        Column("revenue", True),
        Column("mean of a day", True),
    ]
    return build_table("Results by weekday", columns, rows)
