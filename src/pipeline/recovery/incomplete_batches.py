"""Batches that wait too long for a file: what people are told of them."""

from __future__ import annotations

from datetime import timedelta

from contract.datasets import DATASETS
from pipeline.clock import parse_utc
from pipeline.intake.upload_emails import list_files
from pipeline.ledger.batch_ledger import Batch
from pipeline.notifications.emails import Email


def is_overdue(batch: Batch, hours: float, now: str) -> bool:
    """Whether the batch has waited longer than so many hours for what it lacks."""
    if batch.waiting_since is None or batch.is_complete:
        return False
    return parse_utc(now) - parse_utc(batch.waiting_since) > timedelta(hours=hours)


def incomplete_batch_email(batch: Batch) -> Email:
    """Which files of the batch came, which are missing, and which were rejected and why."""
    missing = [dataset.file for dataset in DATASETS if dataset.name not in batch.files]
    return Email(
        f"Batch incomplete: {batch.prefix} lacks {', '.join(missing)}",
        f"The batch {batch.prefix} has waited since {batch.waiting_since}, and nothing was started"
        f" yet.\n\n{list_files(batch)}\n\n"
        f"Drop what is missing into {batch.prefix} and the batch starts by itself. This is not told"
        " again for 90 days.\n",
    )
