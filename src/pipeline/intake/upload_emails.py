"""Emails about uploads that cannot be used."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from contract.datasets import DATASETS
from contract.layout import RAW_PREFIX
from pipeline.ledger.batch import BatchFile
from pipeline.ledger.batch_item import Batch
from pipeline.notifications.emails import Email
from pipeline.notifications.figures import format_time
from pipeline.notifications.plain_text import (
    EFFECT,
    NEXT_STEPS,
    build_body,
    fold,
    quote,
    section,
    shorten,
)
from pipeline.notifications.run_names import build_command, describe_stack_option, name_batch

START_BATCH = "Start Batch"
"""The detail type of the event that starts a held batch."""
READERS_KEEP_NUMBERS = "Readers keep the numbers of the last published run."
MAX_SUBJECT_KEY = 75
"""Maximum length of a key or a prefix in a subject. The end of a key is the name of the file."""

_FILE_NAMES = ", ".join(dataset.file for dataset in DATASETS)


def build_unknown_file_email(key: str, folder: str) -> Email:
    """Return the email about a file with an unknown name.

    Args:
        key: Key of the object.
        folder: The folder below `raw/` that contains the file, or `raw/`. A summary lists other
            unknown files that are uploaded to it within the same hour.
    """
    body = build_body(
        f"{fold('The name of this file is not that of a batch file:')}\n{quote(key)}",
        section(EFFECT, fold(f"The file was not processed. {READERS_KEEP_NUMBERS}")),
        section(
            NEXT_STEPS,
            fold(_get_correction_hint(key)),
            fold(
                f"A batch consists of {_FILE_NAMES}, directly in {RAW_PREFIX} or in a folder below"
                f" it, {RAW_PREFIX}<batch name>/. File names are case-sensitive, and names must not"
                " contain control characters, which emails show as escapes such as \\n."
            ),
        ),
        fold(
            "If more unknown files are uploaded to the same folder within the same hour, one"
            " summary lists them after the hour ends:"
        )
        + f"\n{quote(folder)}",
    )
    return Email(f"Unknown file: {shorten(key, MAX_SUBJECT_KEY)}", body)


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
    body = build_body(
        f"This file cannot be read:\n{quote(key)}\n{quote(problem)}",
        section(EFFECT, fold(f"The file is not used, so its batch waits. {READERS_KEEP_NUMBERS}")),
        section(
            NEXT_STEPS,
            fold(
                "Upload it again in the S3 Standard storage class and with the default encryption"
                " of the bucket, which S3 uses if the upload does not specify encryption settings."
            ),
        ),
    )
    return Email(f"File cannot be read: {shorten(key, MAX_SUBJECT_KEY)}", body)


def build_rejected_file_email(file: BatchFile, problems: str, batch: Batch) -> Email:
    """Return the email about a rejected upload.

    Args:
        file: The rejected version.
        problems: Message of the file check, in one line.
        batch: The batch after the rejection was recorded.
    """
    valid = batch.files.get(file.dataset)
    effect = (
        f"The batch keeps the valid version of {format_time(valid.uploaded_at)} UTC, and its run"
        " uses that version."
        if valid
        else "The file is not used, and the batch waits for it."
    )
    body = build_body(
        f"This file was rejected:\n{quote(file.key)}",
        section("Its problems", quote(problems)),
        section(EFFECT, fold(f"{effect} {READERS_KEEP_NUMBERS}")),
        section(
            NEXT_STEPS,
            fold(
                "Correct the file and upload it again under the same name. It is checked"
                " immediately."
            ),
        ),
        section("Files of the batch (UTC)", format_file_states(batch)),
        fold(
            "If more versions of this file are rejected within the same hour, a summary reports"
            " the newest one after the hour ends."
        ),
    )
    return Email(f"File rejected: {shorten(file.key, MAX_SUBJECT_KEY)}", body)


def build_held_batch_email(batch: Batch, max_spread: timedelta, stack: str) -> Email:
    """Return the email about a complete batch whose uploads are too far apart.

    Args:
        batch: The batch.
        max_spread: Maximum time between the first and the last upload of a batch.
        stack: Name of the stack.
    """
    hours = max_spread / timedelta(hours=1)
    period = "1 hour" if hours == 1 else f"{hours:g} hours"
    body = build_body(
        f"This batch is complete, but held:\n{quote(batch.prefix)}\n"
        + fold(
            f"Its files were uploaded more than {period} apart, so they may belong to different"
            " batches."
        ),
        section("Files of the batch (UTC)", format_file_states(batch)),
        section(EFFECT, fold(f"No run has started. {READERS_KEEP_NUMBERS}")),
        section(
            NEXT_STEPS,
            fold(
                "If a file is outdated, upload the right version. The run starts when all four"
                f" files have been uploaded within {period} of each other."
            ),
            fold("If the files belong together, start the run:"),
            build_command("start", name_batch(batch.prefix)),
            describe_stack_option(stack),
        ),
    )
    return Email(f"Batch held: {shorten(batch.prefix, MAX_SUBJECT_KEY)}", body)


def build_start_event(prefix: str) -> dict[str, Any]:
    """Return the event that makes the watchdog start a held batch."""
    return {"detail-type": START_BATCH, "detail": {"batch": prefix}}


def format_file_states(batch: Batch) -> str:
    """Return lines for each file of a batch: whether it is valid, missing, or rejected."""
    lines = []
    for dataset in DATASETS:
        valid, rejected = batch.files.get(dataset.name), batch.rejected.get(dataset.name)
        if valid:
            lines.append(f"{dataset.file}: valid, {format_time(valid.uploaded_at)}")
        elif not rejected:
            lines.append(f"{dataset.file}: missing")
        if rejected:
            lines.append(f"{dataset.file}: newest rejected")
            lines.append(quote(rejected.problems, max_lines=4))
    return "\n".join(lines)
