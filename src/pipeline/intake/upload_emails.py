"""What people are told about the files that they dropped."""

from __future__ import annotations

from contract.datasets import DATASETS
from contract.layout import RAW_PREFIX
from pipeline.ledger.batch import BatchFile
from pipeline.ledger.batch_ledger import Batch
from pipeline.notifications.emails import Email
from pipeline.text import truncate

_NAMES = ", ".join(dataset.file for dataset in DATASETS)


def unknown_file_email(key: str, folder: str) -> Email:
    """A key below `raw/` that is none of a batch's four files; others of the folder may follow."""
    return Email(
        f"Not a file of a batch: {key}",
        f"{key} was dropped, but a batch is made of {_NAMES}, directly in {RAW_PREFIX} or in a"
        f" folder below it ({RAW_PREFIX}<batch>/). Names count letter by letter.\n\n"
        f"It was left where it is and nothing was started. {_hint(key)}\n\n"
        f"Other files with such names that come into {folder} within the hour are not told one by"
        " one: look what else lies there.\n",
    )


def unreadable_file_email(key: str, problem: str) -> Email:
    """A file of a batch that S3 does not let the pipeline read."""
    return Email(
        f"File cannot be read: {key}",
        f"{truncate(problem)}\n\n"
        "It was left where it is, and nothing was noted of it. Drop it again in S3's standard"
        " storage class, encrypted with the bucket's own key, as it is when nothing is said about"
        " encryption.\n",
    )


def _hint(key: str) -> str:
    name = key.rpartition("/")[2]
    for dataset in DATASETS:
        if name.lower() == dataset.file and name != dataset.file:
            return f"Drop it again as {dataset.file}."
        if name == dataset.file:
            return f"Drop it again one folder below {RAW_PREFIX} at most."
    return "If it is one of the four, drop it again under that name."


def rejected_file_email(file: BatchFile, problems: str, batch: Batch) -> Email:
    """A file that cannot be used as a whole; `problems` is the check's one message."""
    valid = batch.files.get(file.dataset)
    kept = (
        f"The batch keeps the valid version uploaded at {valid.uploaded_at} until a newer valid one"
        " comes.\n"
        if valid
        else ""
    )
    return Email(
        f"File rejected: {file.key}",
        f"{problems}\n\n"
        f"Mend the file and drop it again under the same name; it is checked at once.\n{kept}\n"
        f"Batch {batch.prefix}:\n{list_files(batch)}\n",
    )


def list_files(batch: Batch) -> str:
    """What the batch has and lacks, a line a file."""
    lines = []
    for dataset in DATASETS:
        valid, rejected = batch.files.get(dataset.name), batch.rejected.get(dataset.name)
        state = f"valid, uploaded at {valid.uploaded_at}" if valid else "missing"
        if rejected:
            state += f"; the newest upload was rejected: {truncate(rejected.problems)}"
        lines.append(f"  {dataset.file}: {state}")
    return "\n".join(lines)
