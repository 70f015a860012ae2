"""Parts of the sections of a report: cards, tables, and findings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from contract.datasets import RENTALS
from contract.reports import TransformationReport
from report import formats
from report.figures import Trend, integer, number
from report.inputs import Answers, InputFile, ReportInputs, Row, RunStep
from report.tables import Cell, Column, DataTable, build_table

_SPARK_WIDTH, _SPARK_HEIGHT = 120, 28
_CHANGE_TITLES = (
    ("new", "+ new days"),
    ("changed", "± changed days"),
    ("missing", "- days that disappeared"),
)


@dataclass(frozen=True)
class Card:
    """A headline number.

    Attributes:
        title: What it is.
        value: The total of the run.
        change: How it changed in the last seven days.
        direction: `up`, `down`, `same`, or `none` if it cannot be compared.
        spark: The points of its small line, as SVG has them. Empty if there are fewer than two.
        spark_text: The values of its small line.
    """

    title: str
    value: str
    change: str
    direction: str
    spark: str = ""
    spark_text: str = ""


def build_card(
    title: str, name: str, value: str, trend: Trend | None, weekly: Sequence[Decimal] = ()
) -> Card:
    """Return a headline number.

    Args:
        title: What it is.
        name: Its name in the weeks of the trend.
        value: The total of the run.
        trend: The last two weeks, if any.
        weekly: Its values in the last calendar weeks.
    """
    change = trend.change(name) if trend else None
    rounded = Decimal(0) if change is None else change.quantize(Decimal("0.1"))
    direction = "none" if change is None else "up" if rounded > 0 else "down" if rounded else "same"
    text = "no comparison" if change is None else f"{formats.change(change)} in 7 days"
    if len(weekly) < 2:  # noqa: PLR2004 - points of a line
        return Card(title, value, text, direction)
    weeks = ", ".join(map(formats.compact, weekly))
    return Card(title, value, text, direction, _draw_line(weekly), f"Last weeks: {weeks}.")


def _draw_line(values: Sequence[Decimal]) -> str:
    lowest, highest = min(values), max(values)
    span = (highest - lowest) or Decimal(1)
    step = Decimal(_SPARK_WIDTH - 4) / (len(values) - 1)
    height = _SPARK_HEIGHT - 6
    points = (
        (2 + index * step, 3 + height * (1 - (value - lowest) / span))
        for index, value in enumerate(values)
    )
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def build_change_tables(answers: Answers) -> tuple[DataTable, ...]:
    """Return how many days are new, changed, or missing, and which ones changed most."""
    if "changes" not in answers:
        return ()
    summary = _build_change_summary({str(row["change"]): row for row in answers["changes"]})
    if not answers["changed_days"]:
        return (summary,)
    return (summary, _build_changed_day_table(answers["changed_days"]))


def _build_change_summary(changes: Mapping[str, Row]) -> DataTable:
    def total(name: str, *kinds: str) -> Decimal:
        rows = (row for kind, row in changes.items() if not kinds or kind in kinds)
        return sum((number(row, name) for row in rows), Decimal(0))

    old = ("same", "changed", "missing")
    rows: list[list[str | Cell]] = [
        [
            "before",
            formats.count(total("days", *old)),
            formats.count(total("rentals_before")),
            formats.money(total("revenue_before")),
        ]
    ]
    for kind, title in _CHANGE_TITLES:
        row = changes.get(kind)
        days = _describe_days(row) if row else ""
        rentals = total("rentals_now", kind) - total("rentals_before", kind)
        revenue = total("revenue_now", kind) - total("revenue_before", kind)
        rows.append(
            [
                f"{title}{days}",
                formats.count(total("days", kind)),
                formats.signed_count(int(rentals)),
                formats.signed_money(revenue),
            ]
        )
    rows.append(
        [
            "now",
            formats.count(total("days", "same", "changed", "new")),
            formats.count(total("rentals_now")),
            formats.money(total("revenue_now")),
        ]
    )
    columns = [
        Column("days"),
        Column("number", True),
        Column("rentals", True),
        Column("revenue", True),
    ]
    return build_table("Days compared with the run before", columns, rows, has_total=True)


def _describe_days(row: Row) -> str:
    first, last = row["first_day"], row["last_day"]
    if not first or not last:
        return ""
    return f", {formats.iso_days(first, last)}"


def _build_changed_day_table(rows: Sequence[Row]) -> DataTable:
    cells = []
    for row in rows:
        revenue = None if row["revenue_now"] is None else number(row, "revenue_now")
        difference = (revenue or Decimal(0)) - number(row, "revenue_before")
        rentals = row["rentals_now"]
        cells.append(
            [
                formats.iso_days(str(row["day"]), str(row["day"])),
                formats.count(integer(row, "rentals_before")),
                formats.NONE if rentals is None else formats.count(int(rentals)),
                formats.money(number(row, "revenue_before")),
                formats.money(revenue),
                formats.signed_money(difference),
            ]
        )
    columns = [
        Column("day"),
        Column("rentals before", True, is_minor=True),
        Column("rentals now", True, is_minor=True),
        Column("revenue before", True),
        Column("revenue now", True),
        Column("difference", True),
    ]
    return build_table("Days that changed most", columns, cells)


def build_city_table(answers: Answers) -> DataTable:
    """Return the cities with the highest revenue."""
    rows = answers["cities"]
    cells = [
        [
            formats.text(row["city"], 40) if row["city"] else "unknown",
            formats.count(integer(row, "locations")),
            formats.money(number(row, "revenue")),
            formats.money(number(row, "revenue") / integer(row, "locations")),
        ]
        for row in rows
    ]
    columns = [
        Column("city"),
        Column("locations", True),
        Column("revenue", True),
        Column("per location", True, is_minor=True),
    ]
    total = integer(rows[0], "cities") if rows else 0
    title = f"The {len(rows)} of {total:,} cities with the highest revenue"
    return build_table(title, columns, cells, bars=[number(row, "revenue") for row in rows])


def build_location_table(answers: Answers) -> DataTable:
    """Return the locations with the highest revenue."""
    cells: list[list[str | Cell]] = [
        [
            Cell(
                formats.text(row["location_name"], 48) if row["location_name"] else "unknown",
                formats.text(row["city"], 32),
            ),
            formats.text(row["location_id"], 20),
            formats.text(row["city"], 32),
            Cell(formats.count(integer(row, "rentals")), sort_key=str(integer(row, "rentals"))),
            Cell(formats.money(number(row, "revenue")), sort_key=str(number(row, "revenue"))),
            Cell(formats.money(number(row, "average")), sort_key=str(number(row, "average"))),
        ]
        for row in answers["locations"]
    ]
    columns = [
        Column("location"),
        Column("id", is_minor=True),
        Column("city", is_minor=True),
        Column("rentals", True),
        Column("revenue", True),
        Column("average", True, is_minor=True),
    ]
    return build_table("All locations", columns, cells)


def build_dataset_table(report: TransformationReport) -> DataTable:
    """Return how many rows of each dataset were read, accepted, and rejected."""
    cells = [
        [
            name,
            formats.count(counts.read),
            formats.count(counts.accepted),
            formats.count(counts.rejected),
            formats.share(counts.rejected, counts.read),
        ]
        for name, counts in report.datasets.items()
    ]
    columns = [
        Column("dataset"),
        Column("read", True),
        Column("accepted", True),
        Column("rejected", True),
        Column("share", True, is_minor=True),
    ]
    return build_table("Rows", columns, cells)


def build_reason_table(report: TransformationReport) -> DataTable | None:
    """Return how many rows were rejected for each reason, or None if none were."""
    rows = sorted(
        (
            (-count, name, code)
            for name, counts in report.datasets.items()
            for code, count in counts.reasons.items()
            if count
        ),
    )
    if not rows:
        return None
    cells = [[name, code, formats.count(-count)] for count, name, code in rows]
    columns = [Column("dataset"), Column("reason"), Column("rows", True)]
    return build_table("Rejected rows by reason", columns, cells, bars=[-row[0] for row in rows])


def build_warning_table(report: TransformationReport) -> DataTable | None:
    """Return how many accepted rentals have each warning, or None if none has one."""
    rows = sorted((-count, code) for code, count in report.warnings.items() if count)
    if not rows:
        return None
    accepted = report.datasets[RENTALS.name].accepted
    cells = [[code, formats.count(-count), formats.share(-count, accepted)] for count, code in rows]
    columns = [Column("warning"), Column("rentals", True), Column("share", True)]
    return build_table("Accepted rentals with a warning", columns, cells)


def build_sum_table(inputs: ReportInputs) -> DataTable:
    """Return the rentals and the revenue of each table, which must be the same."""
    cells = [
        [
            str(row["table_name"]),
            formats.count(integer(row, "row_count")),
            formats.count(integer(row, "rentals")),
            formats.money(number(row, "revenue")),
        ]
        for row in inputs.answers["sums"]
    ]
    columns = [
        Column("table"),
        Column("rows", True, is_minor=True),
        Column("rentals", True),
        Column("revenue", True),
    ]
    return build_table("Sums of the tables", columns, cells)


def build_coordinate_finding(answers: Answers) -> str | None:
    """Return how many locations have coordinates in their state, or None if none can be checked."""
    row = answers["coordinates"][0]
    checked, inside = integer(row, "checked"), integer(row, "in_state")
    if not checked:
        return None
    if inside == checked:
        return f"The coordinates of all {checked:,} locations lie in their state."
    have = (
        "only 1 has coordinates within its state"
        if inside == 1
        else (f"{inside:,} have coordinates within their state")
    )
    return (
        f"Of {checked:,} locations, {have}. The coordinates of the others are wrong, so this"
        " report has no map."
    )


def build_file_table(files: Sequence[InputFile]) -> DataTable:
    """Return the files that the run read."""
    cells = [
        [
            file.dataset,
            formats.text(file.name, 100),
            formats.text(file.version, 100),
            formats.size(file.size),
        ]
        for file in files
    ]
    columns = [
        Column("dataset"),
        Column("file"),
        Column("version", is_minor=True),
        Column("size", True),
    ]
    return build_table("Input", columns, cells)


def build_step_table(steps: Sequence[RunStep]) -> DataTable | None:
    """Return when each step started and how long it took, or None if nothing is known."""
    if not steps:
        return None
    cells = [
        [
            formats.text(step.name) + (f" ({step.count:,} times)" if step.count > 1 else ""),
            formats.seconds(step.start),
            formats.seconds(step.seconds),
        ]
        for step in steps
    ]
    columns = [Column("step"), Column("start", True), Column("duration", True)]
    return build_table("Steps until this report was written", columns, cells)


def build_command_lines(inputs: ReportInputs) -> tuple[tuple[str, str], ...]:
    """Return the commands that come next, each with its purpose."""
    if inputs.is_local:
        return ()
    run_id = inputs.run_id
    commands = [
        (f"./run show {run_id}", "this run: states, input, row counts"),
        (f"./run quarantine {run_id}", "its rejected rows, by reason"),
        (f"./run report {run_id} --check report.html", "compare this page with the tables"),
    ]
    if inputs.previous_run_id:
        commands.append(
            (f"./run rollback {inputs.previous_run_id}", "show readers the run before again")
        )
    return tuple(commands)
