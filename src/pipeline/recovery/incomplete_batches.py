"""Emails about batches that have waited too long for their missing files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from contract.datasets import DATASETS
from contract.text import escape_control_characters
from pipeline.clock import parse_utc
from pipeline.intake.upload_emails import (
    MAX_SUBJECT_KEY,
    READERS_KEEP_NUMBERS,
    format_file_states,
)
from pipeline.ledger.batch_item import Batch
from pipeline.ledger.batch_ledger import BatchLedger
from pipeline.ledger.incomplete_report import IncompleteReport
from pipeline.ledger.keys import incomplete_batches_notification
from pipeline.notifications.email_budget import SummaryEntry
from pipeline.notifications.emails import Email, EmailSender
from pipeline.notifications.figures import format_time
from pipeline.notifications.limits import count_fitting
from pipeline.notifications.plain_text import (
    EFFECT,
    NEXT_STEPS,
    build_body,
    fold,
    quote,
    section,
    shorten,
)

_REPORTED_ONCE = "An incomplete batch is reported only once."


def is_overdue(batch: Batch, hours: float, now: str) -> bool:
    """Return whether a batch has waited longer than allowed, and was not reported yet.

    Args:
        batch: The batch.
        hours: Number of hours after which an incomplete batch is overdue.
        now: The current time, ISO 8601.
    """
    if batch.waiting_since is None or not _is_unreported(batch):
        return False
    return parse_utc(now) - parse_utc(batch.waiting_since) > timedelta(hours=hours)


@dataclass(frozen=True)
class IncompleteBatchReporter:
    """Reports incomplete batches, each of them once.

    Attributes:
        ledger: The ledger of batches.
        report: The report that is being sent.
        email_sender: Sends the email.
    """

    ledger: BatchLedger
    report: IncompleteReport
    email_sender: EmailSender

    def report_batches(self, batches: Sequence[Batch]) -> list[str]:
        """Report incomplete batches in one email, and record that they were reported.

        A report that was interrupted is completed before. If the email would become too long, the
        last batches are left for the next sweep.

        Args:
            batches: The overdue batches.

        Returns:
            The prefixes of the reported batches.
        """
        reported = []
        if interrupted := self.report.get_batches():
            reported = self._complete(interrupted)
        fitting = batches[: count_fitting([_format_entry(batch) for batch in batches])]
        new = {batch.prefix: batch.waiting_since or "" for batch in fitting}
        # If another sweep is reporting, the next sweep reports what remains.
        if new and self.report.begin(new):
            reported += self._complete(new)
        return reported

    def _complete(self, waiting_since: Mapping[str, str]) -> list[str]:
        batches = [
            batch
            for batch in map(self.ledger.get_batch, sorted(waiting_since))
            if _is_unreported(batch) and batch.waiting_since == waiting_since[batch.prefix]
        ]
        if batches:
            # The key contains all batches of the report, also those that are recorded already.
            # DynamoDB does not keep the order of a map.
            notification = incomplete_batches_notification(sorted(waiting_since.items()))
            self.email_sender.send_within_budget(
                notification,
                build_incomplete_batches_email(batches),
                [_create_summary_entry(batch) for batch in batches],
                cause=notification,
            )
        for batch in batches:
            self.ledger.record_reported(batch)
        self.report.end(waiting_since)
        return [batch.prefix for batch in batches]


def _is_unreported(batch: Batch) -> bool:
    return batch.waiting_since not in (None, batch.reported_since) and not batch.is_complete


def build_incomplete_batches_email(batches: Sequence[Batch]) -> Email:
    """Return the email about incomplete batches.

    Args:
        batches: At least one overdue batch. A single batch is described with the state of each of
            its files.
    """
    if len(batches) == 1:
        return _build_single_email(batches[0])
    number = f"{len(batches):,} batches"
    body = build_body(
        fold(f"{number} have been incomplete for too long."),
        "\n".join(_format_entry(batch) for batch in batches),
        section(EFFECT, fold(f"No run has started for them. {READERS_KEEP_NUMBERS}")),
        section(
            NEXT_STEPS,
            fold(
                "Upload the missing or corrected files of a batch to its folder. The run of a"
                f" batch starts automatically when the batch is complete. {_REPORTED_ONCE}"
            ),
        ),
    )
    return Email(f"{len(batches):,} batches incomplete", body)


def _build_single_email(batch: Batch) -> Email:
    body = build_body(
        f"This batch is incomplete:\n{quote(batch.prefix)}\n"
        + fold(f"It has waited since {format_time(batch.waiting_since or '')} UTC."),
        section("Files of the batch (UTC)", format_file_states(batch)),
        section(EFFECT, fold(f"No run has started. {READERS_KEEP_NUMBERS}")),
        section(
            NEXT_STEPS,
            fold(
                "Upload the missing or corrected files to the folder of the batch. A run starts"
                f" automatically when the batch is complete. {_REPORTED_ONCE}"
            ),
        ),
    )
    prefix = shorten(batch.prefix, MAX_SUBJECT_KEY)
    return Email(f"Batch incomplete: {prefix} is missing {_list_missing(batch)}", body)


def _create_summary_entry(batch: Batch) -> SummaryEntry:
    return SummaryEntry(
        f"Batch incomplete: {escape_control_characters(batch.prefix)}",
        f"{_list_missing(batch)} missing",
        batch.waiting_since or "",
    )


def _format_entry(batch: Batch) -> str:
    since = format_time(batch.waiting_since or "")
    missing = fold(f"{_list_missing(batch)} missing since {since}")
    return f"{quote(batch.prefix, max_lines=4)}\n{missing}"


def _list_missing(batch: Batch) -> str:
    return ", ".join(dataset.file for dataset in DATASETS if dataset.name not in batch.files)
