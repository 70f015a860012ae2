"""Process an upload: check the file, record it, and start a run if it completes its batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from contract.layout import RAW_PREFIX, UploadLocation, parse_upload_key
from pipeline.clock import utc_now
from pipeline.errors import UnreadableUploadError
from pipeline.intake import upload_emails
from pipeline.intake.run_starter import RunStarter
from pipeline.intake.uploads import FileHead, Upload, check_upload, read_head
from pipeline.ledger.batch import BatchFile
from pipeline.ledger.batch_ledger import Batch, BatchLedger
from pipeline.ledger.keys import (
    rejected_upload_notification,
    unknown_name_notification,
    unreadable_upload_notification,
)
from pipeline.notifications.emails import EmailSender

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

_HOUR_LENGTH = len("2026-11-24T08")

UploadOutcome = Literal[
    "Ignored", "UnknownName", "Deleted", "Unreadable", "Rejected", "Outdated", "Recorded"
]
"""What happened to an upload. The name of its metric is `Uploads<outcome>`."""


@dataclass(frozen=True)
class UploadReceipt:
    """The result of processing an upload.

    Attributes:
        outcome: What happened to the upload.
        batch: The batch prefix. None if the key is not that of a batch's file.
        runs: IDs of the runs that the upload started.
    """

    outcome: UploadOutcome
    batch: str | None = None
    runs: tuple[str, ...] = ()


@dataclass(frozen=True)
class UploadReceiver:
    """Processes uploads.

    Attributes:
        s3: The S3 client.
        ledger: The ledger of batches.
        run_starter: Starts the runs of complete batches.
        email_sender: Sends the emails about uploads.
    """

    s3: S3Client
    ledger: BatchLedger
    run_starter: RunStarter
    email_sender: EmailSender

    def receive(self, upload: Upload) -> UploadReceipt:
        """Process an upload.

        A repeated event has no further effect, except that it completes an attempt that failed.
        """
        location = parse_upload_key(upload.key)
        if location is None:
            return self._receive_unknown_name(upload)
        outcome = self._check_and_record(location, upload)
        # For every outcome, because an earlier attempt may have failed after it recorded the file.
        runs = self.run_starter.start_ready_runs(location.batch_prefix)
        return UploadReceipt(outcome, location.batch_prefix, tuple(runs))

    def _receive_unknown_name(self, upload: Upload) -> UploadReceipt:
        """Ignore folders and empty marker objects, and report other names."""
        is_marker = upload.key.endswith("/") or upload.size == 0
        if is_marker or not upload.key.startswith(RAW_PREFIX):
            return UploadReceipt("Ignored")
        # One email per folder and hour, because SNS suspends an email subscription that receives
        # about ten messages in a second.
        folder = upload.key[: upload.key.find("/", len(RAW_PREFIX)) + 1] or RAW_PREFIX
        notification = unknown_name_notification(folder, upload.event_time[:_HOUR_LENGTH])
        email = upload_emails.build_unknown_file_email(upload.key, folder)
        self.email_sender.send_once(notification, email)
        return UploadReceipt("UnknownName")

    def _check_and_record(self, location: UploadLocation, upload: Upload) -> UploadOutcome:
        try:
            head = read_head(self.s3, upload)
        except UnreadableUploadError as error:
            version = upload.version_id or upload.sequencer
            self.email_sender.send_once(
                unreadable_upload_notification(upload.key, version),
                upload_emails.build_unreadable_file_email(upload.key, str(error)),
            )
            return "Unreadable"
        return self._record(location, upload, head) if head else "Deleted"

    def _record(self, location: UploadLocation, upload: Upload, head: FileHead) -> UploadOutcome:
        file, check = check_upload(location.dataset, upload, head)
        if check.problems:
            return self._reject(location.batch_prefix, file, check.message(upload.key))
        is_new = self.ledger.record_valid(location.batch_prefix, file, utc_now())
        return "Recorded" if is_new else "Outdated"

    def _reject(self, prefix: str, file: BatchFile, problems: str) -> UploadOutcome:
        """Record and report a rejected upload, unless a newer upload has replaced it."""
        self.ledger.record_rejected(prefix, file, problems, utc_now())
        batch = self.ledger.get_batch(prefix)
        if not _is_newest_rejection(batch, file):
            return "Outdated"
        email = upload_emails.build_rejected_file_email(file, problems, batch)
        self.email_sender.send_once(rejected_upload_notification(file.key, file.version_id), email)
        return "Rejected"


def _is_newest_rejection(batch: Batch, file: BatchFile) -> bool:
    newest = batch.rejected.get(file.dataset)
    return newest is not None and newest.version_id == file.version_id
