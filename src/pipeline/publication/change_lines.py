"""The lines of emails about days that differ from what readers saw before."""

from __future__ import annotations

from datetime import date

from pipeline.notifications import figures
from pipeline.notifications.plain_text import fold, join_folded, section
from pipeline.notifications.run_names import build_command, label_run
from pipeline.publication.day_changes import CHANGE_KINDS, ChangeKind, DayChange, DayChanges

_MAX_DAYS = 3


def describe_changes(changes: DayChanges) -> str:
    """Return the section about the days that differ from the run that readers saw before."""
    if not changes.has_expired and changes.previous_run_id is None:
        return fold("This is the first published run, so there is none to compare it with.")
    label = label_run(changes.previous_run_id or "", changes.previous_batch)
    title = join_folded("Since the previous published run", f"({label})")
    if changes.has_expired:
        return section(title, fold("Not compared: the tables of that run are no longer kept."))
    return section(title, *list_change_lines(changes))


def list_change_lines(changes: DayChanges) -> list[str]:
    """Return the lines about new, changed, and vanished days."""
    lines = [
        _format_totals(changes, kind) for kind in CHANGE_KINDS if changes.get_totals(kind).days
    ]
    lines += _list_missing_kinds(changes)
    earlier = [change for change in changes.days if change.kind != "new"]
    if not earlier:
        return lines
    lines += [_format_day(change) for change in earlier[:_MAX_DAYS]]
    omitted = sum(changes.get_totals(kind).days for kind in CHANGE_KINDS if kind != "new") - len(
        earlier[:_MAX_DAYS]
    )
    if omitted:
        lines.append(f"and {figures.count(omitted, 'more day')}")
    lines.append(f"All runs on a day: {build_command('history', earlier[0].day)}")
    return lines


def _list_missing_kinds(changes: DayChanges) -> list[str]:
    """Return the lines about the kinds of change that no day has."""
    is_missing = {kind: not changes.get_totals(kind).days for kind in CHANGE_KINDS}
    lines = ["No new days."] if is_missing["new"] else []
    if is_missing["changed"] and is_missing["vanished"]:
        return [*lines, "No earlier day changed, none disappeared."]
    if is_missing["changed"]:
        lines.append("No earlier day changed.")
    if is_missing["vanished"]:
        lines.append("No day disappeared.")
    return lines


def _format_totals(changes: DayChanges, kind: ChangeKind) -> str:
    totals = changes.get_totals(kind)
    noun = "day" if totals.days == 1 else "days"
    return join_folded(
        figures.format_difference(totals.revenue), f"on {totals.days:,} {kind} {noun}"
    )


def _format_day(change: DayChange) -> str:
    day = figures.format_day(date.fromisoformat(change.day), with_year=True)
    now, before = change.now, change.before
    if now and before and now.revenue == before.revenue:
        return f"{day}: {figures.count(now.rentals, 'rental')}, was {before.rentals:,}"
    amounts = [
        figures.format_amount(each.revenue) if each else "no rentals" for each in (now, before)
    ]
    return join_folded(f"{day}: {amounts[0]},", f"was {amounts[1]}")
