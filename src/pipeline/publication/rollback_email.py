"""The email about a rollback: somebody has published an earlier run again."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from pipeline.notifications import figures
from pipeline.notifications.emails import Email
from pipeline.notifications.plain_text import (
    EFFECT,
    NEXT_STEPS,
    build_body,
    fold,
    join_folded,
    quote,
    section,
)
from pipeline.notifications.run_names import (
    build_command,
    describe_stack_option,
    label_run,
    name_run,
)
from pipeline.publication.change_lines import list_change_lines
from pipeline.publication.day_changes import DayChanges


@dataclass(frozen=True)
class RunTotals:
    """A run and its totals, as its publication record contains them.

    Attributes:
        run_id: ID of the run.
        batch: Prefix of its batch. Empty if unknown.
        revenue: Revenue of its accepted rentals.
        rentals: Number of its accepted rentals.
    """

    run_id: str
    batch: str
    revenue: Decimal
    rentals: int


def build_rollback_email(
    restored: RunTotals, replaced: RunTotals, changes: DayChanges, reason: str, stack: str
) -> Email:
    """Return the email about a rollback.

    Args:
        restored: The run that readers see again.
        replaced: The run that they saw before.
        changes: The days of the restored run that differ from those of the replaced one, as
            `fetch_day_changes` returns them.
        reason: Why somebody rolled back, in their own words. Empty if they gave no reason.
        stack: Name of the stack.
    """
    restored_label = label_run(restored.run_id, restored.batch)
    replaced_label = label_run(replaced.run_id, replaced.batch)
    # The name of a batch stands for its newest run, and one of the two is older.
    same_batch = restored.batch if restored.batch == replaced.batch else None
    undo = build_command("rollback", name_run(replaced.run_id, replaced.batch, same_batch))
    body = build_body(
        f"{_describe(restored)}\nReaders see: {restored_label}{_add_id(restored, same_batch)}",
        f"{_describe(replaced)}\nBefore: {replaced_label}{_add_id(replaced, same_batch)}",
        section("Reason", quote(reason)) if reason else "",
        section(EFFECT, *_describe_effect(changes)),
        section(
            NEXT_STEPS,
            fold(
                "Nothing, if this is intended. The next run that is published replaces these"
                " numbers."
            ),
            f"To undo: {undo}",
            describe_stack_option(stack),
        ),
    )
    amounts = " instead of ".join(
        figures.format_short_amount(run.revenue) for run in (restored, replaced)
    )
    return Email(f"Rental KPIs rolled back: {amounts} ({restored_label})", body)


def _describe(run: RunTotals) -> str:
    return join_folded(
        figures.format_amount(run.revenue), f"from {figures.count(run.rentals, 'rental')}"
    )


def _add_id(run: RunTotals, same_batch: str | None) -> str:
    """Return the ID of a run as a further line if the batch does not tell the two runs apart."""
    return "" if same_batch is None else f"\n{quote(run.run_id)}"


def _describe_effect(changes: DayChanges) -> list[str]:
    if changes.previous_run_id is None:
        return [fold("The days are not compared: the tables of the other run are no longer kept.")]
    return list_change_lines(changes)
