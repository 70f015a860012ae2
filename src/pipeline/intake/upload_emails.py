"""Emails about uploads that cannot be used."""

from __future__ import annotations

from contract.datasets import DATASETS
from contract.layout import RAW_PREFIX
from pipeline.ledger.batch import BatchFile
from pipeline.ledger.batch_ledger import Batch
from pipeline.notifications.emails import Email
from pipeline.text import truncate

_FILE_NAMES = ", ".join(dataset.file for dataset in DATASETS)


def build_unknown_file_email(key: str, folder: str) -> Email:
    """Return the email about a file with an unknown name.

    Args:
        key: Key of the object.
        folder: The folder whose other unknown files this email stands for, within the same hour.
    """
    return Email(
        f"Unknown file: {key}",
        f"{key} is not a file of a batch. A batch consists of {_FILE_NAMES}, directly in"
        f" {RAW_PREFIX} or in a folder below it ({RAW_PREFIX}<batch name>/). File names are"
        " case-sensitive.\n\n"
        f"The file was not processed and stays in the bucket. {_get_correction_hint(key)}\n\n"
        f"You will not receive another email about unknown files uploaded to {folder} within the"
        " same hour. Check the folder for other unknown files.\n",
    )


def _get_correction_hint(key: str) -> str:
    name = key.rpartition("/")[2]
    for dataset in DATASETS:
        if name == dataset.file:
            return f"Upload it again to {RAW_PREFIX} or to a folder directly below it."
        if name.lower() == dataset.file:
            return f"Upload it again as {dataset.file}."
    return "If it is one of the four files, upload it again under the correct name."


def build_unreadable_file_email(key: str, problem: str) -> Email:
    """Return the email about a file of a batch that cannot be read.

    Args:
        key: Key of the object.
        problem: Message of the error.
    """
    return Email(
        f"File cannot be read: {key}",
        f"{truncate(problem)}\n\n"
        "The file was not processed and stays in the bucket. Upload it again in the S3 Standard"
        " storage class and with the default encryption of the bucket, which S3 uses if the upload"
        " does not specify encryption settings.\n",
    )


def build_rejected_file_email(file: BatchFile, problems: str, batch: Batch) -> Email:
    """Return the email about a rejected upload.

    Args:
        file: The rejected version.
        problems: Message of the file check, in one line.
        batch: The batch after the rejection was recorded.
    """
    valid = batch.files.get(file.dataset)
    kept_version = (
        f"Until you do, the batch keeps the valid version uploaded at {valid.uploaded_at}.\n"
        if valid
        else ""
    )
    return Email(
        f"File rejected: {file.key}",
        f"{problems}\n\n"
        "Correct the file and upload it again under the same name. It is checked immediately.\n"
        f"{kept_version}\n"
        f"Batch {batch.prefix}:\n{format_file_states(batch)}\n",
    )


def format_file_states(batch: Batch) -> str:
    """Return one line for each file of a batch: whether it is valid, missing, or rejected."""
    lines = []
    for dataset in DATASETS:
        valid, rejected = batch.files.get(dataset.name), batch.rejected.get(dataset.name)
        if valid:
            state = f"valid, uploaded at {valid.uploaded_at}"
        else:
            state = "no valid version" if rejected else "missing"
        if rejected:
            state += f"; the newest upload was rejected: {truncate(rejected.problems)}"
        lines.append(f"  {dataset.file}: {state}")
    return "\n".join(lines)
