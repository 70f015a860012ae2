"""The history of a day: what each published run said about it.

The answer comes from the publication records alone, so it outlives the tables of the runs. A record
lists the days that differ from the run that was published before. What a run says about any other
day is what that run said.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Literal

from pipeline.aws.athena import QueryRunner
from pipeline.publication.catalog import build_day_history_query
from pipeline.publication.day_changes import DayFigures

StatementKind = Literal["new", "changed", "vanished", "unchanged", "absent", "unknown"]
"""How a statement differs from the one of the publication before.

`absent`: neither this run nor the one before has rentals on the day. `unknown`: the record was
written before records contained changes, or its list of days was limited.
"""


@dataclass(frozen=True)
class DayStatement:
    """What readers saw about a day from a publication on.

    Attributes:
        published_at: Time of the publication, ISO 8601 in UTC.
        run_id: ID of the run that was published.
        batch: Prefix of its batch.
        kind: How the statement differs from the one of the publication before.
        figures: The rentals and the revenue of the day. None if the run has no rentals on the day,
            or if the statement is unknown.
        rollback_reason: Why the run was published again. None if the pipeline published it.
    """

    published_at: str
    run_id: str
    batch: str
    kind: StatementKind
    figures: DayFigures | None
    rollback_reason: str | None


def fetch_day_history(query_runner: QueryRunner, day: date) -> list[DayStatement]:
    """Return what each published run said about a day, in the order of the publications.

    Args:
        query_runner: Runs the query in Athena.
        day: The day.

    Raises:
        QueryFailedError: Athena could not run the query.
        RetryableError: The query takes too long. The same call may succeed later.
    """
    (result,) = query_runner.fetch([build_day_history_query(day)])
    return build_day_history(result.records)


def build_day_history(records: Iterable[Mapping[str, str | None]]) -> list[DayStatement]:
    """Return the statements of publication records about a day.

    Args:
        records: The rows of the query `day_history`: one for each publication record, in the order
            of the publications.
    """
    known: dict[str, DayFigures | None] = {}  # by run ID, if it is known
    history: list[DayStatement] = []
    previous: str | None = None
    for record in records:
        run_id = str(record["run_id"])
        if run_id not in known:
            _learn(run_id, record, known)
        history.append(
            DayStatement(
                str(record["published_at"]),
                run_id,
                record["batch"] or "",
                _compare(run_id, previous, known),
                known.get(run_id),
                record["rollback_reason"],
            )
        )
        previous = run_id
    return history


def _learn(
    run_id: str, record: Mapping[str, str | None], known: dict[str, DayFigures | None]
) -> None:
    """Add what the run of a record says about the day, unless it is unknown."""
    base = record["previous_run_id"]
    if record["change"]:
        rentals, revenue = record["rentals"], Decimal(record["revenue"] or 0)
        known[run_id] = None if rentals is None else DayFigures(int(rentals), revenue)
    elif record["listed_days"] is None or record["omitted_days"] != "0":
        return
    elif base is None:
        known[run_id] = None
    elif base in known:
        known[run_id] = known[base]


def _compare(
    run_id: str, previous: str | None, known: Mapping[str, DayFigures | None]
) -> StatementKind:
    """Return how the statement of a run differs from the one of the run that was published before.

    Args:
        run_id: ID of the run.
        previous: ID of the run that was published before. None if there was none.
        known: What runs say about the day, by run ID.
    """
    if run_id not in known or (previous is not None and previous not in known):
        return "unknown"
    now, before = known[run_id], known[previous] if previous else None
    if now == before:
        return "unchanged" if now else "absent"
    if before is None:
        return "new"
    return "changed" if now else "vanished"
