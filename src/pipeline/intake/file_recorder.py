"""Check an uploaded file, record the result, and report a file that cannot be used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from contract.layout import UploadLocation
from pipeline.clock import utc_now
from pipeline.errors import UnreadableUploadError
from pipeline.intake import upload_emails
from pipeline.intake.uploads import FileHead, Upload, check_upload, read_head
from pipeline.ledger.batch import BatchFile
from pipeline.ledger.batch_item import Batch
from pipeline.ledger.batch_ledger import BatchLedger
from pipeline.ledger.keys import rejected_upload_notification, unreadable_upload_notification
from pipeline.notifications.email_budget import SummaryEntry
from pipeline.notifications.emails import EmailSender

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

FileOutcome = Literal["Deleted", "Unreadable", "Rejected", "Outdated", "Recorded"]
"""What happened to a file of a batch."""


@dataclass(frozen=True)
class FileRecorder:
    """Checks and records the files of batches.

    Attributes:
        s3: The S3 client.
        ledger: The ledger of batches.
        email_sender: Sends the emails about files that cannot be used.
    """

    s3: S3Client
    ledger: BatchLedger
    email_sender: EmailSender

    def check_and_record(self, location: UploadLocation, upload: Upload) -> FileOutcome:
        """Check a file and record the result. If the file cannot be used, report it.

        Args:
            location: The batch and the dataset of the file.
            upload: The upload.
        """
        try:
            head = read_head(self.s3, upload)
        except UnreadableUploadError as error:
            version = upload.version_id or upload.order
            email = upload_emails.build_unreadable_file_email(upload.key, str(error))
            self.email_sender.send_within_budget(
                unreadable_upload_notification(upload.key, version),
                email,
                [SummaryEntry(email.subject, str(error), upload.event_time)],
                cause=f"unreadable {upload.key}",
            )
            return "Unreadable"
        return self._record(location, upload, head) if head else "Deleted"

    def _record(self, location: UploadLocation, upload: Upload, head: FileHead) -> FileOutcome:
        file, check = check_upload(location.dataset, upload, head)
        if check.problems:
            return self._reject(location.batch_prefix, file, check.message(upload.key))
        is_new = self.ledger.record_valid(location.batch_prefix, file, utc_now())
        return "Recorded" if is_new else "Outdated"

    def _reject(self, prefix: str, file: BatchFile, problems: str) -> FileOutcome:
        """Record and report a rejected upload, unless a newer upload has replaced it."""
        self.ledger.record_rejected(prefix, file, problems, utc_now())
        batch = self.ledger.get_batch(prefix)
        if not _is_newest_rejection(batch, file):
            return "Outdated"
        email = upload_emails.build_rejected_file_email(file, problems, batch)
        self.email_sender.send_within_budget(
            rejected_upload_notification(file.key, file.version_id),
            email,
            [SummaryEntry(email.subject, problems, file.uploaded_at)],
            cause=f"rejected {file.key}",
        )
        return "Rejected"


def _is_newest_rejection(batch: Batch, file: BatchFile) -> bool:
    newest = batch.rejected.get(file.dataset)
    return newest is not None and newest.version_id == file.version_id
