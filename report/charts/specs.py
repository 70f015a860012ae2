"""What all charts have in common.

Colors are variables of the page's style sheet, so a chart follows the color scheme and the printer
without being drawn again. Texts of the input occur only as values, never as fields or expressions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from report.tables import DataTable

Spec = dict[str, Any]

_SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
ACCENT, MUTED, PALE = "var(--accent)", "var(--muted)", "var(--pale)"
TYPE_COLORS = tuple(f"var(--type-{index})" for index in range(1, 7))
"""The colors of vehicle types, the highest revenue first."""
COMPACT = "~s"
"""The format of numbers on an axis, such as `1.5M`."""
_AXIS = {
    "domain": False,
    "ticks": False,
    "labelColor": MUTED,
    "titleColor": MUTED,
    "gridColor": "var(--line)",
    "labelFontSize": 12,
    "titleFontSize": 12,
    "titleFontWeight": "normal",
    "labelPadding": 6,
}
_CONFIG: Spec = {
    "background": None,
    "font": "system-ui, sans-serif",
    "aria": False,  # the page describes each chart, and the table below it has the numbers
    "view": {"stroke": None},
    "axis": _AXIS,
    "legend": {
        "labelColor": "var(--ink)",
        "titleColor": MUTED,
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "orient": "top",
    },
    "text": {"fill": "var(--ink)", "fontSize": 12},
    "bar": {"fill": ACCENT, "cornerRadiusEnd": 2},
}


@dataclass(frozen=True)
class Chart:
    """A chart and what a reader can use in its place.

    Attributes:
        name: Name of the chart, unique in the page.
        title: What it shows.
        note: How to read it.
        summary: Its message, for readers who do not see it.
        spec: Its Vega-Lite specification.
        table: The numbers behind it.
        is_open: Whether the page shows the table at once.
    """

    name: str
    title: str
    note: str
    summary: str
    spec: Spec
    table: DataTable
    is_open: bool = False


def build_spec(values: Sequence[Spec], height: int, **parts: Any) -> Spec:
    """Return a specification as wide as its place in the page.

    Args:
        values: The numbers of the chart.
        height: Height in pixels.
        **parts: The marks and encodings.
    """
    return {
        "$schema": _SCHEMA,
        "width": "container",
        "height": height,
        "autosize": {"type": "fit-x", "contains": "padding"},
        "config": _CONFIG,
        "data": {"name": "numbers", "values": list(values)},
        **parts,
    }


def axis(**options: Any) -> Spec:
    """Return an axis without a title, with other options."""
    return {"title": None, **options}


def make_unique(labels: Sequence[str]) -> list[str]:
    """Return the labels with a number after each one that occurred before."""
    seen: Counter[str] = Counter()
    unique = []
    for label in labels:
        seen[label] += 1
        unique.append(f"{label} ({seen[label]})" if seen[label] > 1 else label)
    return unique
