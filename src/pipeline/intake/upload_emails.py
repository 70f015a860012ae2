"""Emails about uploads that cannot be used."""

from __future__ import annotations

import json
import shlex
from datetime import timedelta
from typing import Any

from contract.datasets import DATASETS
from contract.layout import RAW_PREFIX
from contract.text import escape_control_characters
from pipeline.ledger.batch import BatchFile
from pipeline.ledger.batch_item import Batch
from pipeline.notifications.emails import Email
from pipeline.text import truncate

_FILE_NAMES = ", ".join(dataset.file for dataset in DATASETS)

START_BATCH = "Start Batch"
"""The detail type of the event that starts a held batch."""


def build_unknown_file_email(key: str, folder: str) -> Email:
    """Return the email about a file with an unknown name.

    Args:
        key: Key of the object.
        folder: The folder below `raw/` that contains the file, or `raw/`. A summary lists other
            unknown files that are uploaded to it within the same hour.
    """
    key, folder = escape_control_characters(key), escape_control_characters(folder)
    return Email(
        f"Unknown file: {key}",
        f"{key} is not a file of a batch. A batch consists of {_FILE_NAMES}, directly in"
        f" {RAW_PREFIX} or in a folder below it ({RAW_PREFIX}<batch name>/). File names are"
        " case-sensitive, and names must not contain control characters, which emails show as"
        " escapes such as \\n.\n\n"
        f"The file was not processed and stays in the bucket. {_get_correction_hint(key)}\n\n"
        f"If more unknown files are uploaded to {folder} within the same hour, one summary lists"
        " them after the hour ends.\n",
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
        f"File cannot be read: {escape_control_characters(key)}",
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
        f"File rejected: {escape_control_characters(file.key)}",
        f"{escape_control_characters(problems)}\n\n"
        "Correct the file and upload it again under the same name. It is checked immediately.\n"
        f"{kept_version}\n"
        f"Batch {escape_control_characters(batch.prefix)}:\n{format_file_states(batch)}\n\n"
        "If more versions of this file are rejected within the same hour, a summary reports the"
        " newest one after the hour ends.\n",
    )


def build_held_batch_email(batch: Batch, max_spread: timedelta, start_function: str) -> Email:
    """Return the email about a complete batch whose uploads are too far apart.

    Args:
        batch: The batch.
        max_spread: Maximum time between the first and the last upload of a batch.
        start_function: Name of the function that starts a held batch.
    """
    event = json.dumps(build_start_event(batch.prefix))
    prefix = escape_control_characters(batch.prefix)
    hours = max_spread / timedelta(hours=1)
    period = "1 hour" if hours == 1 else f"{hours:g} hours"
    return Email(
        f"Batch held: {prefix}",
        f"Batch {prefix} is complete, but its files were uploaded more than {period} apart,"
        " so they may belong to different batches. No run has started.\n\n"
        f"{format_file_states(batch)}\n\n"
        "If a file is outdated, upload the right version. The run starts when all four files have"
        f" been uploaded within {period} of each other. If the files belong together, start the"
        " run:\n\n"
        f"aws lambda invoke --function-name {shlex.quote(start_function)}"
        f" --cli-binary-format raw-in-base64-out --payload {shlex.quote(event)} response.json\n",
    )


def build_start_event(prefix: str) -> dict[str, Any]:
    """Return the event that makes the watchdog start a held batch."""
    return {"detail-type": START_BATCH, "detail": {"batch": prefix}}


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
