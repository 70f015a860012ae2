"""Claim complete batches: turn their four files into a run."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

from pipeline.clock import parse_utc, utc_now
from pipeline.intake.current_versions import (
    CurrentVersions,
    get_current_versions,
    version_exists,
)
from pipeline.intake.upload_emails import build_held_batch_email
from pipeline.ledger.batch import new_run
from pipeline.ledger.batch_item import Batch
from pipeline.ledger.batch_ledger import BatchLedger
from pipeline.ledger.keys import held_batch_notification
from pipeline.notifications.email_budget import SummaryEntry
from pipeline.notifications.emails import EmailSender

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

ClaimOutcome = Literal["Incomplete", "Outdated", "Held", "Claimed"]
"""What a claim led to.

- `Incomplete`: A file is missing, was deleted, or has no valid version.
- `Outdated`: S3 has a version that is not in the ledger yet, or the batch has just changed. The
  event of that version, or the watchdog, continues.
- `Held`: The uploads of the files are too far apart, so they may belong to different batches.
- `Claimed`: The files are now a run.
"""


@dataclass(frozen=True)
class Claim:
    """The result of a claim.

    Attributes:
        outcome: What the claim led to.
        batch: The batch as it was read before.
    """

    outcome: ClaimOutcome
    batch: Batch


@dataclass(frozen=True)
class BatchClaimer:
    """Claims batches, and reports those that it holds. Repeated attempts are harmless.

    Attributes:
        s3: The S3 client.
        bucket: Name of the data bucket.
        ledger: The ledger of batches.
        max_upload_spread: Maximum time between the first and the last upload of a batch.
        email_sender: Sends the emails about held batches.
        stack: Name of the stack.
    """

    s3: S3Client
    bucket: str
    ledger: BatchLedger
    max_upload_spread: timedelta
    email_sender: EmailSender
    stack: str

    def claim_if_ready(self, prefix: str, *, ignore_spread: bool = False) -> Claim:
        """Claim a batch if it is complete and S3 has no other version of its files.

        Args:
            prefix: The batch prefix.
            ignore_spread: Whether to claim the batch even if its uploads are far apart.
        """
        batch = self.ledger.get_batch(prefix)
        outcome = self._check(batch, ignore_spread=ignore_spread)
        if outcome == "Held":
            self._report_held(batch)
        if outcome != "Claimed":
            return Claim(outcome, batch)
        # The claim time is taken after the ledger was read: a later claim must have a later time.
        run = new_run(prefix, batch.files, utc_now())
        return Claim("Claimed" if self.ledger.claim(run, batch) else "Outdated", batch)

    def _check(self, batch: Batch, *, ignore_spread: bool) -> ClaimOutcome:
        if not batch.is_complete:
            return "Incomplete"
        current = get_current_versions(self.s3, self.bucket, batch.prefix)
        deleted = set(current.find_deleted(batch)) | self._find_deleted_versions(batch, current)
        for name in deleted:
            self.ledger.remove_file(batch.prefix, batch.files[name])
        if deleted:
            return "Incomplete"
        if current.find_unrecorded(batch):
            return "Outdated"
        if get_upload_spread(batch) > self.max_upload_spread and not ignore_spread:
            return "Held"
        return "Claimed"

    def _find_deleted_versions(self, batch: Batch, current: CurrentVersions) -> set[str]:
        """Return the datasets whose recorded version was deleted behind a rejected newer one."""
        return {
            name
            for name, file in batch.files.items()
            if current.versions[name] != file.version_id
            and not version_exists(self.s3, self.bucket, file)
        }

    def _report_held(self, batch: Batch) -> None:
        run = new_run(batch.prefix, batch.files, utc_now())
        if run.run_id == batch.held_run:
            return  # A batch can be held for longer than the ledger remembers the notification.
        email = build_held_batch_email(batch, self.max_upload_spread, self.stack)
        self.email_sender.send_within_budget(
            held_batch_notification(run.run_id),
            email,
            [SummaryEntry(email.subject, "Its files were uploaded too far apart.", utc_now())],
            cause=f"held {batch.prefix}",
        )
        self.ledger.record_held(batch, run.run_id)


def get_upload_spread(batch: Batch) -> timedelta:
    """Return the time between the first and the last upload of the files of a batch."""
    times = [parse_utc(file.uploaded_at) for file in batch.files.values()]
    return max(times) - min(times)
