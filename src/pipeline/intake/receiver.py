"""Process an upload: check the file, record it, and start a run if it completes its batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from contract.layout import RAW_PREFIX, parse_upload_key
from pipeline.intake import upload_emails
from pipeline.intake.claiming import BatchClaimer
from pipeline.intake.file_recorder import FileOutcome, FileRecorder
from pipeline.intake.run_starter import RunStarter
from pipeline.intake.uploads import Upload
from pipeline.ledger.keys import unknown_name_notification
from pipeline.notifications.email_budget import SummaryEntry
from pipeline.notifications.emails import EmailSender

UploadOutcome = Literal["Ignored", "UnknownName", FileOutcome]
"""What happened to an upload. The name of its metric is `Uploads<outcome>`."""


@dataclass(frozen=True)
class UploadReceipt:
    """The result of processing an upload.

    Attributes:
        outcome: What happened to the upload.
        batch: The batch prefix. None if the key is not that of a batch's file.
        runs: IDs of the runs that were started; they can belong to other batches that waited.
    """

    outcome: UploadOutcome
    batch: str | None = None
    runs: tuple[str, ...] = ()


@dataclass(frozen=True)
class UploadReceiver:
    """Processes uploads.

    Attributes:
        recorder: Checks and records the files of batches.
        claimer: Claims complete batches.
        run_starter: Starts claimed runs.
        email_sender: Sends the emails about files with unknown names.
    """

    recorder: FileRecorder
    claimer: BatchClaimer
    run_starter: RunStarter
    email_sender: EmailSender

    def receive(self, upload: Upload) -> UploadReceipt:
        """Process an upload.

        A repeated event has no further effect, except that it completes an attempt that failed.
        """
        location = parse_upload_key(upload.key)
        if location is None:
            return self._receive_unknown_name(upload)
        outcome = self.recorder.check_and_record(location, upload)
        # For every outcome, because an earlier attempt may have failed after it recorded the file.
        self.claimer.claim_if_ready(location.batch_prefix)
        runs = self.run_starter.start_waiting_runs(location.batch_prefix)
        return UploadReceipt(outcome, location.batch_prefix, tuple(runs))

    def _receive_unknown_name(self, upload: Upload) -> UploadReceipt:
        """Ignore folders and empty marker objects, and report other names."""
        is_marker = upload.key.endswith("/") or upload.size == 0
        if is_marker or not upload.key.startswith(RAW_PREFIX):
            return UploadReceipt("Ignored")
        folder = upload.key[: upload.key.find("/", len(RAW_PREFIX)) + 1] or RAW_PREFIX
        email = upload_emails.build_unknown_file_email(upload.key, folder)
        detail = "The file was not processed, because its name is not that of a batch file."
        self.email_sender.send_within_budget(
            unknown_name_notification(upload.key, upload.version_id or upload.order),
            email,
            [SummaryEntry(email.subject, detail, upload.event_time)],
            cause=f"unknown {folder}",
        )
        return UploadReceipt("UnknownName")
