"""The report of a run: its sections with their texts, tables, and charts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from contract.datasets import RENTALS
from report import formats
from report.charts.days import build_calendar_chart, build_daily_chart, build_weekly_chart
from report.charts.distributions import build_location_chart, build_user_chart
from report.charts.fleet import build_brand_chart, build_type_chart
from report.charts.past_runs import build_past_runs_chart
from report.charts.specs import Chart
from report.figures import (
    DAY,
    DayFigures,
    FleetFigures,
    Trend,
    WeekFigures,
    fill_days,
    group_calendar_weeks,
    integer,
    number,
    parse_days,
    parse_fleet,
    parse_location_bars,
    parse_trend,
    sum_by_type,
)
from report.inputs import ReportInputs
from report.queries import find_last_day
from report.sections import (
    Card,
    build_card,
    build_change_tables,
    build_city_table,
    build_command_lines,
    build_coordinate_finding,
    build_dataset_table,
    build_file_table,
    build_location_table,
    build_reason_table,
    build_step_table,
    build_sum_table,
    build_warning_table,
)
from report.tables import DataTable

MAX_TYPES = 6
_MAX_SHOWN_DAYS = 1096
_SPARK_WEEKS = 12


@dataclass(frozen=True)
class Verdict:
    """The most important finding about the data.

    Attributes:
        is_good: Whether nothing needs attention.
        text: The finding.
    """

    is_good: bool
    text: str


@dataclass(frozen=True)
class Report:
    """Everything that the page shows, in the order of its sections.

    The texts are complete sentences. A list of tables or charts is empty if there is nothing to
    show.
    """

    title: str
    verdict: Verdict
    inputs: ReportInputs
    period: str
    lead: tuple[str, ...]
    cards: tuple[Card, ...]
    cards_note: str
    changes_text: str
    change_tables: tuple[DataTable, ...]
    time_note: str
    time_charts: tuple[Chart, ...]
    fleet_text: str
    fleet_charts: tuple[Chart, ...]
    cities: DataTable
    locations_note: str
    locations: DataTable
    location_charts: tuple[Chart, ...]
    user_charts: tuple[Chart, ...]
    quality_text: str
    datasets: DataTable
    reasons: DataTable | None
    warnings: DataTable | None
    sums: DataTable
    coordinate_finding: str | None
    quality_charts: tuple[Chart, ...]
    files: DataTable
    steps: DataTable | None
    commands: tuple[tuple[str, str], ...]

    @property
    def charts(self) -> tuple[Chart, ...]:
        """All charts, in the order of the page."""
        return (
            *self.time_charts,
            *self.fleet_charts,
            *self.location_charts,
            *self.user_charts,
            *self.quality_charts,
        )


def build_report(inputs: ReportInputs) -> Report:
    """Return the report of a run."""
    answers = inputs.answers
    days = parse_days(answers)
    claimed_on = date.fromisoformat(inputs.claimed_at[:10])
    last_day = find_last_day(answers["days"], claimed_on)
    trend = parse_trend(answers, last_day)
    shown_days, time_note = _select_days(days, last_day, claimed_on)
    fleet = parse_fleet(answers)
    types = sum_by_type(fleet, MAX_TYPES)
    bars = parse_location_bars(answers)
    totals = answers["totals"][0]
    weeks = group_calendar_weeks([row for row in shown_days if row.rentals])
    return Report(
        title=f"Rental KPIs, {formats.text(inputs.batch)}",
        verdict=_build_verdict(inputs),
        inputs=inputs,
        period=_describe_period(totals["first_day"], totals["last_day"]),
        lead=_build_lead(inputs, trend),
        cards=_build_cards(inputs, trend, weeks),
        cards_note=_describe_trend(trend),
        changes_text=_describe_changes(inputs),
        change_tables=build_change_tables(answers),
        time_note=time_note,
        time_charts=_build_time_charts(shown_days, trend, weeks),
        fleet_text=_describe_fleet(types),
        fleet_charts=((build_type_chart(types), build_brand_chart(fleet, types)) if fleet else ()),
        cities=build_city_table(answers),
        locations_note=_describe_locations(inputs),
        locations=build_location_table(answers),
        location_charts=(build_location_chart(bars),) if bars else (),
        user_charts=(build_user_chart(answers["users"]),) if answers["users"] else (),
        quality_text=_describe_quality(inputs),
        datasets=build_dataset_table(inputs.transformation),
        reasons=build_reason_table(inputs.transformation),
        warnings=build_warning_table(inputs.transformation),
        sums=build_sum_table(inputs),
        coordinate_finding=build_coordinate_finding(answers),
        quality_charts=(
            (build_past_runs_chart(inputs.past_runs, inputs.max_rejected_percent),)
            if len(inputs.past_runs) > 1
            else ()
        ),
        files=build_file_table(inputs.files),
        steps=build_step_table(inputs.steps),
        commands=build_command_lines(inputs),
    )


def have_equal_sums(inputs: ReportInputs) -> bool:
    """Return whether all tables have the same rentals and the same revenue."""
    sums = {(row["rentals"], number(row, "revenue")) for row in inputs.answers["sums"]}
    return len(sums) == 1


def _build_verdict(inputs: ReportInputs) -> Verdict:
    rentals = inputs.transformation.datasets[RENTALS.name]
    if not have_equal_sums(inputs):
        return Verdict(False, "sums differ")
    if rentals.rejected:
        return Verdict(False, f"{rentals.rejected:,} of {rentals.read:,} rentals rejected")
    rejected = sum(counts.rejected for counts in inputs.transformation.datasets.values())
    if rejected:
        return Verdict(False, f"{rejected:,} rows rejected")
    return Verdict(True, "all rows accepted, all sums equal")


def _describe_period(first_day: str | None, last_day: str | None) -> str:
    if not first_day or not last_day:
        return "No rentals."
    days = formats.days(date.fromisoformat(first_day), date.fromisoformat(last_day))
    return f"Rentals of {days}."


def _build_lead(inputs: ReportInputs, trend: Trend | None) -> tuple[str, ...]:
    """Return the sentences after the totals."""
    counts = inputs.transformation.datasets.values()
    read, rejected = (sum(getattr(each, name) for each in counts) for name in ("read", "rejected"))
    sentences = []
    if trend and trend.last.values:
        revenue = formats.money(trend.last.values["revenue"])
        days = formats.days(trend.last.first_day, trend.last.last_day)
        change = trend.change("revenue")
        comparison = "" if change is None else f", {formats.change(change)} on the seven before"
        sentences.append(f"The last seven days ({days}) brought {revenue}{comparison}.")
    rows = (
        f"All {read:,} rows were accepted."
        if not rejected
        else (f"{read - rejected:,} of {read:,} rows were accepted, {rejected:,} were rejected.")
    )
    return (*sentences, rows)


def _build_cards(
    inputs: ReportInputs, trend: Trend | None, weeks: Sequence[WeekFigures]
) -> tuple[Card, ...]:
    totals = inputs.answers["totals"][0]
    whole_weeks = [week for week in weeks if week.days == 7][-_SPARK_WEEKS:]  # noqa: PLR2004 - days
    revenue = [week.values["revenue"] for week in whole_weeks]
    rentals = [week.values["rentals"] for week in whole_weeks]
    averages = [one / other for one, other in zip(revenue, rentals, strict=True)]
    return (
        build_card("Revenue", "revenue", formats.money(number(totals, "revenue")), trend, revenue),
        build_card("Rentals", "rentals", formats.count(number(totals, "rentals")), trend, rentals),
        build_card("Average", "average", formats.money(number(totals, "average")), trend, averages),
        build_card("Hours", "hours", formats.money(number(totals, "hours")), trend),
        build_card("Users", "users", formats.count(number(totals, "users")), trend),
        build_card("Vehicles", "vehicles", formats.count(number(totals, "vehicles")), trend),
    )


def _describe_trend(trend: Trend | None) -> str:
    if trend is None:
        return "There are no rentals to compare."
    last, before = (
        formats.days(week.first_day, week.last_day) for week in (trend.last, trend.before)
    )
    if not trend.is_complete:
        return (
            f"No comparison of {last} with {before}: there are rentals on {trend.last.days} and"
            f" {trend.before.days} of the seven days."
        )
    return (
        f"The arrows compare {last} with {before}. The small lines show the last whole calendar"
        " weeks."
    )


def _describe_changes(inputs: ReportInputs) -> str:
    if inputs.previous_run_id is None:
        return "There is no earlier run to compare with."
    changes = {row["change"]: row for row in inputs.answers["changes"]}
    previous = f"Compared with run {inputs.previous_run_id}. "
    altered = [name for name in ("changed", "missing") if name in changes]
    if not altered:
        return f"{previous}No earlier day changed, and none disappeared."
    texts = {"changed": "changed", "missing": "disappeared"}
    parts = [f"{_count_days(integer(changes[name], 'days'))} {texts[name]}" for name in altered]
    return f"{previous}{' and '.join(parts)}: check whether these corrections were intended."


def _count_days(count: int) -> str:
    return "1 earlier day" if count == 1 else f"{count:,} earlier days"


def _select_days(
    days: Sequence[DayFigures], last_day: date | None, claimed_on: date
) -> tuple[list[DayFigures], str]:
    """Return the days to draw without gaps, and a note about those that are left out."""
    if last_day is None:
        return [], "There are no rentals."
    first_shown = last_day - _MAX_SHOWN_DAYS * DAY
    shown = [row for row in days if first_shown < row.day <= last_day]
    future = [row for row in days if row.day > claimed_on]
    notes = []
    if future:
        rentals = sum(row.rentals for row in future)
        notes.append(
            f"Rentals after the day of the run ({formats.day(claimed_on)}), which are not drawn:"
            f" {rentals:,}."
        )
    if len(shown) + len(future) < len(days):
        notes.append(f"Only the days since {formats.day(shown[0].day)} are drawn.")
    filled = fill_days(shown)
    missing = sum(not row.rentals for row in filled)
    notes.append(
        f"{len(shown):,} days have rentals, "
        + (f"{missing:,} days between them have none." if missing else "and no day is missing.")
    )
    return filled, " ".join(notes)


def _build_time_charts(
    days: Sequence[DayFigures], trend: Trend | None, weeks: Sequence[WeekFigures]
) -> tuple[Chart, ...]:
    if not days:
        return ()
    return (build_daily_chart(days, trend), build_weekly_chart(weeks), build_calendar_chart(days))


def _describe_fleet(types: Sequence[FleetFigures]) -> str:
    if not types:
        return "There are no rentals."
    rentals = sum(row.rentals for row in types)
    revenue = sum((row.revenue for row in types), Decimal(0))
    first = types[0]
    return (
        f"{formats.text(first.vehicle_type)} vehicles are"
        f" {formats.share(first.rentals, rentals)} of the rentals and"
        f" {formats.share(first.revenue, revenue)} of the revenue."
    )


def _describe_locations(inputs: ReportInputs) -> str:
    shown = len(inputs.answers["locations"])
    total = inputs.kpis.tables["location_metrics"].rows
    if shown < total:
        return f"The {shown:,} of {total:,} locations with the highest revenue."
    return f"All {total:,} locations with rentals, by their pickups."


def _describe_quality(inputs: ReportInputs) -> str:
    rentals = inputs.transformation.datasets[RENTALS.name]
    limit = inputs.max_rejected_percent
    limit_text = f" (limit {Decimal(limit).normalize():f}%)" if limit else ""
    share = formats.share(rentals.rejected, rentals.read)
    sums = (
        "All tables add up to the same rentals and the same revenue."
        if have_equal_sums(inputs)
        else "The tables do not add up to the same rentals and revenue: do not use this run."
    )
    return f"Rejected rentals: {share}{limit_text}. {sums}"
