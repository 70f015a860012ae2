"""The command `runs`: list the runs of a stack."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from cli.runs.batch_names import parse_batch
from cli.runs.publications import read_publications
from cli.runs.run import FAILED, Run, get_rental_counts
from cli.runs.run_reader import RunReader
from cli.target.polling import parse_duration
from cli.target.target import Target
from contract.reports import TransformationReport
from contract.text import escape_control_characters
from local.errors import UserError

_NUMBERS = {"duration", "rentals", "rejected", "revenue", "change"}
# What a terminal that is too narrow leaves out, in this order. The run ID begins with the batch.
_OPTIONAL_COLUMNS = ("batch", "duration", "rejected", "rentals", "change")
_MAX_WIDTH = 1_000


@dataclass(frozen=True)
class RunFilter:
    """Which runs to list.

    Attributes:
        limit: Maximum number of runs.
        status: The status of the runs. Empty for any.
        batch: Prefix of their batch. Empty for any.
        since: The earliest start. `None` for any.
    """

    limit: int
    status: str = ""
    batch: str = ""
    since: datetime | None = None

    def select(self, runs: Iterable[Run]) -> Iterator[Run]:
        """Yield the first runs that match. The runs must be the newest first."""
        count = 0
        for run in runs:
            if self.since and run.started_at and run.started_at < self.since:
                return
            if self.status and run.status != self.status:
                continue
            if self.batch and run.batch != self.batch:
                continue
            yield run
            count += 1
            if count == self.limit:
                return


@dataclass(frozen=True)
class Change:
    """How the revenue of a run differs from that of the run that readers saw before.

    Attributes:
        run_id: ID of the run that readers saw before.
        revenue: The difference.
    """

    run_id: str
    revenue: Decimal
    base: Decimal

    @property
    def percent(self) -> Decimal | None:
        """The difference in percent. `None` if the base is zero."""
        return self.revenue / self.base * 100 if self.base else None


@dataclass(frozen=True)
class ListedRun:
    """A run as `runs` shows it.

    Attributes:
        run: The run.
        is_published: Whether readers see it now.
        report: What it counted, or `None` if its transformation job has not finished.
        change: The change of the revenue. `None` unless the run was published after another one.
    """

    run: Run
    is_published: bool
    report: TransformationReport | None
    change: Change | None


def make_filter(limit: int, status: str, batch: str, since: str, now: datetime) -> RunFilter:
    """Return the filter that the options of the command describe.

    Args:
        limit: Maximum number of runs.
        status: The status of the runs. Empty for any.
        batch: Name or prefix of their batch. Empty for any.
        since: A day or time in UTC, or a duration such as 7d until now. Empty for any.
        now: The current time.

    Raises:
        UserError: The batch or the time is not valid.
    """
    return RunFilter(limit, status, parse_batch(batch) if batch else "", _parse_since(since, now))


def list_runs(target: Target, run_filter: RunFilter) -> list[ListedRun]:
    """Return the newest runs that match, with what each counted."""
    reader = RunReader(target)
    publications = read_publications(target)
    runs = list(run_filter.select(reader.list_newest_first()))
    before = {run.run_id: publications.get_run_before(run.run_id) for run in runs}
    reports = reader.read_reports(
        [run.run_id for run in runs] + [run_id for run_id in before.values() if run_id]
    )
    return [
        ListedRun(
            run,
            run.run_id == publications.published,
            reports.get(run.run_id),
            _get_change(reports, run.run_id, before[run.run_id]),
        )
        for run in runs
    ]


def build_document(runs: Sequence[ListedRun], now: datetime) -> dict[str, Any]:
    """Return the runs as the content of the JSON document `runs`."""
    return {"runs": [describe_run(listed, now) for listed in runs]}


def describe_run(listed: ListedRun, now: datetime) -> dict[str, Any]:
    """Return the fields of a run that every JSON document about runs has."""
    run, counts = listed.run, get_rental_counts(listed.report)
    seconds = run.get_seconds(now)
    return {
        "run_id": run.run_id,
        "batch": run.batch_name or None,
        "status": run.status,
        "published": listed.is_published,
        "claimed_at": run.claimed_at or None,
        "started_at": run.started_at,
        "ended_at": run.ended_at if run.has_ended else None,
        "seconds": None if seconds is None else round(seconds, 1),
        "rentals": counts
        and {"read": counts.read, "accepted": counts.accepted, "rejected": counts.rejected},
        "revenue": listed.report and listed.report.revenue,
        "change": listed.change
        and {
            "run_id": listed.change.run_id,
            "revenue": listed.change.revenue,
            "percent": listed.change.percent,
        },
        "error": (run.error or None) if run.status == FAILED else None,
    }


def show_runs(runs: Sequence[ListedRun], console: Console, now: datetime) -> None:
    """Print the runs as a table, or say that there are none."""
    if not runs:
        console.print("No runs.")
        return
    rows = [_format_run(listed, now) for listed in runs]
    omitted: list[str] = []
    table = _build_table(rows, omitted)
    for column in _OPTIONAL_COLUMNS if console.is_terminal else ():
        if _measure(table, console) <= console.width:
            break
        omitted.append(column)
        table = _build_table(rows, omitted)
    table.width = _measure(table, console)
    console.print(table, soft_wrap=True)
    if any(listed.is_published for listed in runs):
        console.print("* Readers see this run.")


def _measure(table: Table, console: Console) -> int:
    """Return the width that a table needs so that no column is cut."""
    return console.measure(table, options=console.options.update_width(_MAX_WIDTH)).maximum


def _build_table(rows: Sequence[Mapping[str, str]], omitted: Sequence[str]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    columns = [column for column in rows[0] if column not in omitted]
    for column in columns:
        table.add_column(column, justify="right" if column in _NUMBERS else "left", no_wrap=True)
    for row in rows:
        table.add_row(*(row[column] for column in columns))
    return table


def _format_run(listed: ListedRun, now: datetime) -> dict[str, str]:
    run, counts, report = listed.run, get_rental_counts(listed.report), listed.report
    seconds = run.get_seconds(now)
    return {
        "": "*" if listed.is_published else "",
        "run": escape_control_characters(run.run_id),
        "status": run.status,
        "batch": escape_control_characters(run.batch_name),
        "started": f"{run.started_at.astimezone(UTC):%Y-%m-%d %H:%M}" if run.started_at else "-",
        "duration": "-" if seconds is None else str(timedelta(seconds=round(seconds))),
        "rentals": f"{counts.accepted:,}" if counts else "-",
        "rejected": f"{counts.rejected:,}" if counts else "-",
        "revenue": f"{report.revenue:,}" if report else "-",
        "change": format_percent(listed.change),
    }


def format_percent(change: Change | None) -> str:
    """Return a change in percent with its sign, or a hyphen if there is none."""
    if change is None or change.percent is None:
        return "-"
    return f"{change.percent:+.1f}%"


def _get_change(
    reports: Mapping[str, TransformationReport], run_id: str, before: str | None
) -> Change | None:
    if before is None or run_id not in reports or before not in reports:
        return None
    base = reports[before].revenue
    return Change(before, reports[run_id].revenue - base, base)


def _parse_since(text: str, now: datetime) -> datetime | None:
    if not text:
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        pass
    else:
        return time if time.tzinfo else time.replace(tzinfo=UTC)
    try:
        return now - timedelta(seconds=parse_duration(text))
    except UserError:
        raise UserError(
            f"{text!r} is not a time: write a day such as 2026-11-24, a time such as"
            " 2026-11-24T08:00 (UTC), or a duration such as 7d"
        ) from None
