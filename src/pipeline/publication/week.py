"""The last seven days of a run, compared with the seven days before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

from pipeline.aws.athena import QueryResult

WEEK_DAYS = 7
_CENT = Decimal("0.01")


@dataclass(frozen=True)
class WeekFigures:
    """The rentals of seven days.

    Attributes:
        rentals: Number of rentals.
        revenue: Their revenue.
        users: Number of distinct users with a rental.
        days: Number of days with a rental.
    """

    rentals: int
    revenue: Decimal
    users: int
    days: int

    @property
    def exact_average(self) -> Fraction:
        """The average amount of a rental. Zero if there are no rentals."""
        return Fraction(self.revenue) / self.rentals if self.rentals else Fraction(0)

    @property
    def average(self) -> Decimal:
        """The average amount of a rental, rounded half up to the cent."""
        cents = int(self.exact_average * 100 + Fraction(1, 2))
        return Decimal(cents).scaleb(-2).quantize(_CENT, ROUND_HALF_UP)


@dataclass(frozen=True)
class TypeRevenue:
    """What a vehicle type earned in the last seven days, and in the seven days before."""

    vehicle_type: str
    revenue: Decimal
    revenue_before: Decimal


@dataclass(frozen=True)
class Week:
    """The last seven days and the seven days before.

    Attributes:
        last_day: The last day with a rental that is not after the day of the claim.
        now: The seven days that end at it.
        before: The seven days before these.
        types: The vehicle types with the highest revenue in the last seven days.
        omitted_types: Number of other vehicle types with rentals in the fourteen days.
    """

    last_day: date
    now: WeekFigures
    before: WeekFigures
    types: tuple[TypeRevenue, ...]
    omitted_types: int

    @property
    def first_day(self) -> date:
        """The first of the last seven days."""
        return self.last_day - timedelta(WEEK_DAYS - 1)

    @property
    def days_before(self) -> tuple[date, date]:
        """The first and the last of the seven days before."""
        return self.first_day - timedelta(WEEK_DAYS), self.first_day - timedelta(1)

    @property
    def missing_days(self) -> int:
        """How many of the fourteen days have no rentals. Otherwise, percentages would mislead."""
        return 2 * WEEK_DAYS - self.now.days - self.before.days


def parse_week(answers: Mapping[str, QueryResult]) -> Week | None:
    """Return the week in the answers of the queries `week` and `week_types`.

    Returns:
        The week. None if all rentals are after the day of the claim.
    """
    (record,) = answers["week"].records
    if record["last_day"] is None:
        return None
    types = answers["week_types"].records
    shown = tuple(
        TypeRevenue(
            str(row["vehicle_type"]),
            Decimal(row["revenue"] or 0),
            Decimal(row["revenue_before"] or 0),
        )
        for row in types
    )
    all_types = int(types[0]["all_types"] or 0) if types else 0
    return Week(
        date.fromisoformat(record["last_day"]),
        _parse_figures(record, ""),
        _parse_figures(record, "_before"),
        shown,
        all_types - len(shown),
    )


def count_later_rentals(answers: Mapping[str, QueryResult]) -> int:
    """Return how many rentals are after the day of the claim."""
    (record,) = answers["week"].records
    return int(record["later_rentals"] or 0)


def _parse_figures(record: Mapping[str, str | None], suffix: str) -> WeekFigures:
    return WeekFigures(
        int(record[f"rentals{suffix}"] or 0),
        Decimal(record[f"revenue{suffix}"] or 0),
        int(record[f"users{suffix}"] or 0),
        int(record[f"days{suffix}"] or 0),
    )
