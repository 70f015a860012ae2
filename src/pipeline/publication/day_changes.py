"""The restatements of a publication: which days differ from what readers saw before.

A publication record contains them, so that the history of a day needs only the records. Runs are
immutable: what a run says about a day never changes, and a record lists only the differences from
the run that was published before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

from contract.reports import format_money
from pipeline.aws.athena import QueryRunner
from pipeline.publication.catalog import build_day_changes_query

ChangeKind = Literal["new", "changed", "vanished"]
"""How a day differs from the run that was published before."""

CHANGE_KINDS: tuple[ChangeKind, ...] = ("new", "changed", "vanished")


@dataclass(frozen=True)
class DayFigures:
    """What a run says about a day with rentals."""

    rentals: int
    revenue: Decimal


@dataclass(frozen=True)
class DayChange:
    """A day that differs from the run that was published before.

    Attributes:
        day: The day, such as `2024-05-31`.
        kind: How it differs. A day has changed if its rentals or its revenue have.
        now: What the run says. None if the day has vanished.
        before: What the run that was published before says. None if the day is new.
    """

    day: str
    kind: ChangeKind
    now: DayFigures | None
    before: DayFigures | None


@dataclass(frozen=True)
class ChangeTotals:
    """All days with one kind of change.

    Attributes:
        days: Number of days.
        rentals: Their rentals now minus their rentals before.
        revenue: Their revenue now minus their revenue before.
    """

    days: int = 0
    rentals: int = 0
    revenue: Decimal = Decimal(0)


@dataclass(frozen=True)
class DayChanges:
    """The days of a run that differ from those of the run that was published before.

    Attributes:
        previous_run_id: The run that was published before. None if there was none, or if its
            tables no longer exist: then all days are new.
        previous_batch: Prefix of the batch of that run. Empty if unknown.
        has_expired: Whether the tables of the run that was published before no longer exist.
        totals: The totals by kind of change. A kind without days is missing.
        days: The days, by kind the latest ones first.
        omitted: How many more days differ, because the list is limited.
    """

    previous_run_id: str | None = None
    previous_batch: str = ""
    has_expired: bool = False
    totals: Mapping[ChangeKind, ChangeTotals] = field(default_factory=dict)
    days: tuple[DayChange, ...] = ()
    omitted: int = 0

    def get_totals(self, kind: ChangeKind) -> ChangeTotals:
        """Return the totals of a kind of change, which are zero if no day has it."""
        return self.totals.get(kind, ChangeTotals())

    def to_fields(self) -> dict[str, Any]:
        """Return the fields of a publication record. Amounts are text, as everywhere in JSON."""
        return {
            "previous_run_id": self.previous_run_id,
            "previous_batch": self.previous_batch,
            "previous_expired": self.has_expired,
            "day_changes": [
                {
                    "change": kind,
                    "days": totals.days,
                    "rentals": totals.rentals,
                    "revenue": format_money(totals.revenue),
                }
                for kind, totals in self.totals.items()
            ],
            "days": [
                {
                    "day": change.day,
                    "change": change.kind,
                    **_format_figures(change.now, ""),
                    **_format_figures(change.before, "_before"),
                }
                for change in self.days
            ],
            "omitted_days": self.omitted,
        }


def parse_day_changes(content: Mapping[str, Any]) -> DayChanges | None:
    """Return the changes in the content of a publication record.

    Returns:
        The changes. None if the record was written before records had them.

    Raises:
        ValueError: A field is missing or invalid.
    """
    if "days" not in content:
        return None
    try:
        return DayChanges(
            content["previous_run_id"],
            content["previous_batch"],
            content["previous_expired"],
            {
                totals["change"]: ChangeTotals(
                    totals["days"], totals["rentals"], Decimal(totals["revenue"])
                )
                for totals in content["day_changes"]
            },
            tuple(
                DayChange(
                    entry["day"],
                    entry["change"],
                    _parse_figures(entry, ""),
                    _parse_figures(entry, "_before"),
                )
                for entry in content["days"]
            ),
            content["omitted_days"],
        )
    except (ArithmeticError, AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"missing or invalid changes of days: {error!r}") from error


def fetch_day_changes(
    query_runner: QueryRunner, run_id: str, previous_run_id: str | None, previous_batch: str
) -> DayChanges:
    """Compare the days of a run with those of the run that readers see before its publication.

    Args:
        query_runner: Runs the query in Athena.
        run_id: ID of the run. Its tables are cataloged.
        previous_run_id: ID of the run that readers see. None if there is none.
        previous_batch: Prefix of the batch of that run.

    Raises:
        QueryFailedError: Athena could not run the query.
        RetryableError: The query takes too long. The same call may succeed later.
    """
    (result,) = query_runner.fetch([build_day_changes_query(run_id, previous_run_id)])
    records = result.records
    # A published run has rentals, so a run without any day has lost its tables.
    has_expired = previous_run_id is not None and any(
        not int(record["previous_days"] or 0) for record in records
    )
    totals: dict[ChangeKind, ChangeTotals] = {}
    days: list[DayChange] = []
    for kind in CHANGE_KINDS:
        entries = [record for record in records if record["change"] == kind]
        if entries:
            totals[kind] = ChangeTotals(
                int(entries[0]["all_days"] or 0),
                int(entries[0]["all_rentals"] or 0),
                Decimal(entries[0]["all_revenue"] or 0),
            )
        days += [
            DayChange(
                str(entry["day"]), kind, _parse_figures(entry, ""), _parse_figures(entry, "_before")
            )
            for entry in entries
        ]
    return DayChanges(
        None if has_expired else previous_run_id,
        previous_batch,
        has_expired,
        totals,
        tuple(days),
        sum(total.days for total in totals.values()) - len(days),
    )


def _format_figures(figures: DayFigures | None, suffix: str) -> dict[str, Any]:
    if figures is None:
        return {}
    return {f"rentals{suffix}": figures.rentals, f"revenue{suffix}": format_money(figures.revenue)}


def _parse_figures(entry: Mapping[str, Any], suffix: str) -> DayFigures | None:
    rentals = entry.get(f"rentals{suffix}")
    if rentals is None:
        return None
    return DayFigures(int(rentals), Decimal(entry[f"revenue{suffix}"]))
