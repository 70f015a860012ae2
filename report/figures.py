"""The figures of a run, computed from the answers: days, weeks, fleet, and distributions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from report.inputs import Answers, Row

DAY = timedelta(days=1)
WEEK_DAYS = 7
_SECONDS_PER_HOUR = 3600
_MAX_BARS = 16


@dataclass(frozen=True)
class DayFigures:
    """The results of one day."""

    day: date
    rentals: int
    revenue: Decimal


@dataclass(frozen=True)
class WeekFigures:
    """The results of seven days.

    Attributes:
        first_day: The first of the seven days.
        days: How many of them have rentals.
        values: Revenue, rentals, average, hours, users, and vehicles, by name.
    """

    first_day: date
    days: int
    values: dict[str, Decimal]

    @property
    def last_day(self) -> date:
        """The last of the seven days."""
        return self.first_day + (WEEK_DAYS - 1) * DAY


@dataclass(frozen=True)
class Trend:
    """The last seven days and the seven days before."""

    last: WeekFigures
    before: WeekFigures

    @property
    def is_complete(self) -> bool:
        """Whether every day of both weeks has rentals."""
        return self.last.days == self.before.days == WEEK_DAYS

    def change(self, name: str) -> Decimal | None:
        """Return the relative change of a value in percent, if it can be compared."""
        base = self.before.values.get(name)
        if not self.is_complete or not base:
            return None
        return (self.last.values[name] / base - 1) * 100


@dataclass(frozen=True)
class FleetFigures:
    """The results of a vehicle type, a brand, or both."""

    vehicle_type: str
    brand: str
    rentals: int
    revenue: Decimal
    hours: Decimal


@dataclass(frozen=True)
class Bar:
    """A bar of a histogram.

    Attributes:
        start: The lowest value in the bar.
        end: The lowest value above the bar.
        count: How many there are.
    """

    start: Decimal
    end: Decimal
    count: int


def number(row: Row, name: str) -> Decimal:
    """Return a number of an answer. Null, the sum of no rows, is zero."""
    return Decimal(row[name] or 0)


def integer(row: Row, name: str) -> int:
    """Return a whole number of an answer."""
    return int(number(row, name))


def parse_days(answers: Answers) -> list[DayFigures]:
    """Return the days with rentals, the earliest first."""
    rows = [
        DayFigures(date.fromisoformat(row["day"]), integer(row, "rentals"), number(row, "revenue"))
        for row in answers["days"]
        if row["day"]
    ]
    return sorted(rows, key=lambda row: row.day)


def parse_trend(answers: Answers, last_day: date | None) -> Trend | None:
    """Return the results of the last two weeks, or None if there are no rentals."""
    if last_day is None:
        return None
    rows = {row["week"]: row for row in answers.get("weeks", [])}
    first_day = last_day - (WEEK_DAYS - 1) * DAY
    return Trend(
        _parse_week(first_day, rows.get("last")),
        _parse_week(first_day - WEEK_DAYS * DAY, rows.get("before")),
    )


def _parse_week(first_day: date, row: Row | None) -> WeekFigures:
    if row is None:
        return WeekFigures(first_day, 0, {})
    rentals, revenue = number(row, "rentals"), number(row, "revenue")
    values = {
        "revenue": revenue,
        "rentals": rentals,
        "average": revenue / rentals,
        "hours": number(row, "seconds") / _SECONDS_PER_HOUR,
        "users": number(row, "users"),
        "vehicles": number(row, "vehicles"),
    }
    return WeekFigures(first_day, integer(row, "days"), values)


def fill_days(days: Sequence[DayFigures]) -> list[DayFigures]:
    """Return the days without gaps: a day without rentals has zeros."""
    if not days:
        return []
    by_day = {row.day: row for row in days}
    first = days[0].day
    length = (days[-1].day - first).days + 1
    return [
        by_day.get(day) or DayFigures(day, 0, Decimal(0))
        for day in (first + offset * DAY for offset in range(length))
    ]


def group_calendar_weeks(days: Sequence[DayFigures]) -> list[WeekFigures]:
    """Return the weeks from Monday to Sunday, the earliest first.

    The first and the last one are incomplete unless the days begin and end with them.
    """
    weeks: dict[date, list[DayFigures]] = {}
    for row in days:
        weeks.setdefault(row.day - row.day.weekday() * DAY, []).append(row)
    return [
        WeekFigures(
            monday,
            len(rows),
            {
                "revenue": sum((row.revenue for row in rows), Decimal(0)),
                "rentals": Decimal(sum(row.rentals for row in rows)),
            },
        )
        for monday, rows in sorted(weeks.items())
    ]


def compute_weekly_mean(days: Sequence[DayFigures]) -> list[Decimal | None]:
    """Return the mean revenue of the seven days that end with each day, if there are seven."""
    means: list[Decimal | None] = []
    for index in range(len(days)):
        window = days[max(0, index - WEEK_DAYS + 1) : index + 1]
        total = sum((row.revenue for row in window), Decimal(0))
        means.append(total / WEEK_DAYS if len(window) == WEEK_DAYS else None)
    return means


def parse_fleet(answers: Answers) -> list[FleetFigures]:
    """Return the results of each type and brand, and of all that the answer leaves out."""
    rows = [
        FleetFigures(
            row["vehicle_type"] or "unknown",
            row["brand"] or "unknown",
            integer(row, "rentals"),
            number(row, "revenue"),
            number(row, "hours"),
        )
        for row in answers["fleet"]
    ]
    totals = answers["totals"][0]
    rest = FleetFigures(
        "other",
        "other",
        integer(totals, "rentals") - sum(row.rentals for row in rows),
        number(totals, "revenue") - sum((row.revenue for row in rows), Decimal(0)),
        number(totals, "hours") - sum((row.hours for row in rows), Decimal(0)),
    )
    return [*rows, rest] if rest.rentals > 0 else rows


def sum_by_type(fleet: Sequence[FleetFigures], limit: int) -> list[FleetFigures]:
    """Return the results of each vehicle type, the highest revenue first.

    Args:
        fleet: The results of each type and brand.
        limit: How many to return. The last one is the sum of all others.
    """
    groups: dict[str, list[FleetFigures]] = {}
    for row in fleet:
        groups.setdefault(row.vehicle_type, []).append(row)
    sums = [_sum(name, "", rows) for name, rows in groups.items()]
    sums.sort(key=lambda row: (-row.revenue, row.vehicle_type))
    if len(sums) > limit:
        sums = [*sums[: limit - 1], _sum("other", "", sums[limit - 1 :])]
    return sums


def _sum(vehicle_type: str, brand: str, rows: Sequence[FleetFigures]) -> FleetFigures:
    return FleetFigures(
        vehicle_type,
        brand,
        sum(row.rentals for row in rows),
        sum((row.revenue for row in rows), Decimal(0)),
        sum((row.hours for row in rows), Decimal(0)),
    )


def parse_location_bars(answers: Answers) -> list[Bar]:
    """Return a histogram of the revenue of the locations, with at most 16 bars of equal width."""
    bins = {
        integer(row, "bin"): integer(row, "locations") for row in answers["location_distribution"]
    }
    if not bins:
        return []
    width = number(answers["location_distribution"][0], "width")
    step = next(
        step for step in (1, 2, 5, 10, 20) if max(bins) // step - min(bins) // step < _MAX_BARS
    )
    first, last = min(bins) // step, max(bins) // step
    return [
        Bar(
            width * step * index,
            width * step * (index + 1),
            sum(bins.get(index * step + offset, 0) for offset in range(step)),
        )
        for index in range(first, last + 1)
    ]
