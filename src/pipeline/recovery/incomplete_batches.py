"""Emails about batches that have waited too long for their missing files."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from contract.datasets import DATASETS
from contract.text import escape_control_characters
from pipeline.clock import parse_utc
from pipeline.intake.upload_emails import format_file_states
from pipeline.ledger.batch_item import Batch
from pipeline.ledger.batch_ledger import BatchLedger
from pipeline.ledger.keys import incomplete_batches_notification
from pipeline.notifications.email_budget import SummaryEntry
from pipeline.notifications.emails import Email, EmailSender
from pipeline.notifications.limits import count_fitting

_REPORTED_ONCE = "An incomplete batch is reported only once."


def is_overdue(batch: Batch, hours: float, now: str) -> bool:
    """Return whether a batch has waited longer than allowed, and was not reported yet.

    Args:
        batch: The batch.
        hours: Number of hours after which an incomplete batch is overdue.
        now: The current time, ISO 8601.
    """
    if batch.waiting_since in (None, batch.reported_since) or batch.is_complete:
        return False
    return parse_utc(now) - parse_utc(batch.waiting_since) > timedelta(hours=hours)


def report_incomplete_batches(
    batches: Sequence[Batch], ledger: BatchLedger, email_sender: EmailSender
) -> list[str]:
    """Report incomplete batches in one email, and record that they were reported.

    If the email would become too long, the last batches are left for the next sweep.

    Args:
        batches: The overdue batches.
        ledger: The ledger of batches.
        email_sender: Sends the email.

    Returns:
        The prefixes of the reported batches.
    """
    lines = [_format_line(batch) for batch in batches]
    reported = batches[: count_fitting(lines)]
    if not reported:
        return []
    notification = incomplete_batches_notification(
        (batch.prefix, batch.waiting_since) for batch in reported
    )
    email_sender.send_within_budget(
        notification,
        build_incomplete_batches_email(reported),
        [_create_summary_entry(batch) for batch in reported],
        cause=notification,
    )
    for batch in reported:
        ledger.record_reported(batch)
    return [batch.prefix for batch in reported]


def build_incomplete_batches_email(batches: Sequence[Batch]) -> Email:
    """Return the email about incomplete batches.

    Args:
        batches: At least one overdue batch. A single batch is described with the state of each of
            its files.
    """
    if len(batches) == 1:
        return _build_single_email(batches[0])
    lines = "\n".join(_format_line(batch) for batch in batches)
    return Email(
        f"{len(batches):,} batches incomplete",
        f"{len(batches):,} batches have been incomplete for too long, so no run has started for"
        f" them:\n\n{lines}\n\n"
        "Upload the missing or corrected files of a batch to its folder. The run of a batch"
        f" starts automatically when the batch is complete. {_REPORTED_ONCE}\n",
    )


def _build_single_email(batch: Batch) -> Email:
    prefix = escape_control_characters(batch.prefix)
    return Email(
        f"Batch incomplete: {prefix} is missing {_list_missing(batch)}",
        f"Batch {prefix} has been incomplete since {batch.waiting_since}, so no run has"
        f" started.\n\n{format_file_states(batch)}\n\n"
        f"Upload the missing or corrected files to {prefix}. A run starts automatically when"
        f" the batch is complete. {_REPORTED_ONCE}\n",
    )


def _create_summary_entry(batch: Batch) -> SummaryEntry:
    return SummaryEntry(
        f"Batch incomplete: {escape_control_characters(batch.prefix)}",
        f"{_list_missing(batch)} missing",
        batch.waiting_since or "",
    )


def _format_line(batch: Batch) -> str:
    prefix = escape_control_characters(batch.prefix)
    return f"- {prefix}: {_list_missing(batch)} missing since {batch.waiting_since}"


def _list_missing(batch: Batch) -> str:
    return ", ".join(dataset.file for dataset in DATASETS if dataset.name not in batch.files)
