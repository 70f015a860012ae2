"""Emails about batches that have waited too long for their missing files."""

from __future__ import annotations

from datetime import timedelta

from contract.datasets import DATASETS
from pipeline.clock import parse_utc
from pipeline.intake.upload_emails import format_file_states
from pipeline.ledger.batch_ledger import Batch
from pipeline.notifications.emails import Email


def is_overdue(batch: Batch, hours: float, now: str) -> bool:
    """Return whether a batch has waited longer than allowed for its missing files.

    Args:
        batch: The batch.
        hours: Number of hours after which an incomplete batch is overdue.
        now: The current time, ISO 8601.
    """
    if batch.waiting_since is None or batch.is_complete:
        return False
    return parse_utc(now) - parse_utc(batch.waiting_since) > timedelta(hours=hours)


def build_incomplete_batch_email(batch: Batch) -> Email:
    """Return the email about an incomplete batch, with the state of each of its files."""
    missing = [dataset.file for dataset in DATASETS if dataset.name not in batch.files]
    return Email(
        f"Batch incomplete: {batch.prefix} is missing {', '.join(missing)}",
        f"Batch {batch.prefix} has been incomplete since {batch.waiting_since}, so no run has"
        f" started.\n\n{format_file_states(batch)}\n\n"
        f"Upload the missing or corrected files to {batch.prefix}. A run starts automatically when"
        " the batch is complete. You will not receive another email about this for at least 90"
        " days.\n",
    )
