"""The charts of the section "Fleet"."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from report import formats
from report.charts.specs import COMPACT, TYPE_COLORS, Chart, Spec, axis, build_spec, make_unique
from report.figures import FleetFigures
from report.tables import Column, build_table

_MEASURES = ("rentals", "hours", "revenue")
_MAX_BRANDS = 20
_BAR_HEIGHT = 22


def build_type_chart(types: Sequence[FleetFigures]) -> Chart:
    """Return the share of each vehicle type in rentals, hours, and revenue."""
    names = make_unique([formats.text(row.vehicle_type, 24) for row in types])
    totals = {
        measure: sum((Decimal(getattr(row, measure)) for row in types), Decimal(0))
        for measure in _MEASURES
    }
    values: list[Spec] = []
    for measure in _MEASURES:
        start = Decimal(0)
        for name, row in zip(names, types, strict=True):
            part = Decimal(getattr(row, measure)) / (totals[measure] or 1)
            values.append(
                {
                    "measure": measure,
                    "type": name,
                    "value": float(getattr(row, measure)),
                    "start": float(start),
                    "end": float(start + part),
                    "middle": float(start + part / 2),
                    # A label needs space: it is left out of a narrow part.
                    "label": f"{part:.0%}" if part >= Decimal("0.08") else "",
                }
            )
            start += part
    y = {"field": "measure", "type": "ordinal", "sort": list(_MEASURES), "axis": axis(grid=False)}
    x = {
        "type": "quantitative",
        "scale": {"domain": [0, 1]},
        "axis": axis(format="%", tickCount=5),
    }
    spec = build_spec(
        values,
        40 * len(_MEASURES),
        layer=[
            {
                "mark": {
                    "type": "bar",
                    "height": 26,
                    "cornerRadiusEnd": 0,
                    "stroke": "var(--paper)",
                    "strokeWidth": 1,
                },
                "encoding": {
                    "y": y,
                    "x": {"field": "start", **x},
                    "x2": {"field": "end"},
                    "fill": {
                        "field": "type",
                        "type": "nominal",
                        "scale": {"domain": names, "range": list(TYPE_COLORS[: len(names)])},
                        "legend": {"title": None, "columns": 3},
                    },
                    "tooltip": [
                        {"field": "type", "type": "nominal"},
                        {"field": "measure", "type": "nominal"},
                        {"field": "value", "type": "quantitative", "format": ",.2f"},
                        {"field": "label", "type": "nominal", "title": "share"},
                    ],
                },
            },
            {
                "mark": {"type": "text", "fill": "var(--on-type)", "fontWeight": 600},
                "encoding": {
                    "y": y,
                    "x": {"field": "middle", **x},
                    "text": {"field": "label", "type": "nominal"},
                },
            },
        ],
    )
    rows = [
        [
            name,
            formats.count(row.rentals),
            formats.share(row.rentals, totals["rentals"]),
            formats.money(row.hours),
            formats.money(row.revenue),
            formats.share(row.revenue, totals["revenue"]),
            formats.money(row.revenue / row.hours if row.hours else None),
        ]
        for name, row in zip(names, types, strict=True)
    ]
    columns = [
        Column("type"),
        Column("rentals", True),
        Column("share", True, is_minor=True),
        Column("hours", True, is_minor=True),
        Column("revenue", True),
        Column("share", True),
        Column("revenue per hour", True, is_minor=True),
    ]
    return Chart(
        "vehicle_types",
        "What each vehicle type contributes",
        "Shares of rentals, hours, and revenue.",
        _describe_types(names, types, totals),
        spec,
        build_table("Results by vehicle type", columns, rows),
        is_open=True,
    )


def _describe_types(
    names: Sequence[str], types: Sequence[FleetFigures], totals: Mapping[str, Decimal]
) -> str:
    parts = (
        f"{name} {formats.share(row.revenue, totals['revenue'])}"
        for name, row in zip(names, types, strict=True)
    )
    return f"Shares of the revenue: {', '.join(parts)}."


def build_brand_chart(fleet: Sequence[FleetFigures], types: Sequence[FleetFigures]) -> Chart:
    """Return the revenue of the brands, in the colors of their vehicle types."""
    brands = list(fleet[:_MAX_BRANDS])
    names = make_unique([formats.text(row.vehicle_type, 24) for row in types])
    name_by_type = dict(zip((row.vehicle_type for row in types), names, strict=True))
    labels = make_unique([formats.text(row.brand, 24) for row in brands])
    values = [
        {
            "brand": label,
            "type": name_by_type.get(row.vehicle_type, names[-1]),
            "revenue": float(row.revenue),
            "label": formats.compact(row.revenue),
        }
        for label, row in zip(labels, brands, strict=True)
    ]
    y = {
        "field": "brand",
        "type": "ordinal",
        "sort": None,
        "axis": axis(grid=False, labelLimit=130),
    }
    x = {
        "field": "revenue",
        "type": "quantitative",
        "axis": axis(format=COMPACT, tickCount=4),
    }
    spec = build_spec(
        values,
        _BAR_HEIGHT * len(brands),
        layer=[
            {
                "mark": {"type": "bar"},
                "encoding": {
                    "y": y,
                    "x": x,
                    "fill": {
                        "field": "type",
                        "type": "nominal",
                        "scale": {"domain": names, "range": list(TYPE_COLORS[: len(names)])},
                        "legend": {"title": None, "columns": 3},
                    },
                    "tooltip": [
                        {"field": "brand", "type": "nominal"},
                        {"field": "type", "type": "nominal"},
                        {"field": "revenue", "type": "quantitative", "format": ",.2f"},
                    ],
                },
            },
            {
                "mark": {"type": "text", "align": "right", "dx": -6, "fill": "var(--on-type)"},
                "encoding": {"y": y, "x": x, "text": {"field": "label", "type": "nominal"}},
                "transform": [
                    {"joinaggregate": [{"op": "max", "field": "revenue", "as": "longest"}]},
                    {"filter": "datum.revenue > datum.longest / 5"},
                ],
            },
        ],
    )
    rows = [
        [
            formats.text(row.brand),
            formats.text(row.vehicle_type),
            formats.count(row.rentals),
            formats.money(row.hours),
            formats.money(row.revenue),
        ]
        for row in fleet
    ]
    columns = [
        Column("brand"),
        Column("type"),
        Column("rentals", True),
        Column("hours", True, is_minor=True),
        Column("revenue", True),
    ]
    return Chart(
        "brands",
        "Revenue by brand",
        f"The {len(brands)} with the highest revenue, in the colors of the vehicle types.",
        f"{formats.text(brands[0].brand)} earns the most, {formats.money(brands[0].revenue)}.",
        spec,
        build_table("Results by brand", columns, rows),
    )
