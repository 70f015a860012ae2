"""Batches that wait too long for a file: what people are told of them."""

from __future__ import annotations

from datetime import timedelta

from contract.datasets import DATASETS, Dataset
from pipeline.clock import utc_moment
from pipeline.ledger import Batch
from pipeline.mail import Mail
from pipeline.words import bounded


def is_overdue(batch: Batch, hours: float, now: str) -> bool:
    """Whether the batch has waited longer than so many hours for what it lacks."""
    if batch.waiting_since is None or batch.is_complete:
        return False
    return utc_moment(now) - utc_moment(batch.waiting_since) > timedelta(hours=hours)


def incomplete(batch: Batch) -> Mail:
    """Which files of the batch came, which are missing, and which were refused and why."""
    missing = [dataset.file for dataset in DATASETS if dataset.name not in batch.files]
    lines = "\n".join(_line(batch, dataset) for dataset in DATASETS)
    return Mail(
        f"Batch incomplete: {batch.prefix} lacks {', '.join(missing)}",
        f"The batch {batch.prefix} has waited since {batch.waiting_since}, and nothing was started"
        f" yet.\n\n{lines}\n\n"
        f"Drop what is missing into {batch.prefix} and the batch starts by itself. This is not told"
        " again for 90 days.\n",
    )


def _line(batch: Batch, dataset: Dataset) -> str:
    file, refused = batch.files.get(dataset.name), batch.refused.get(dataset.name)
    state = f"came, uploaded at {file.uploaded_at}" if file else "missing"
    if refused:
        state += f"; the newest upload was refused: {bounded(refused.problems)}"
    return f"  {dataset.file}: {state}"
