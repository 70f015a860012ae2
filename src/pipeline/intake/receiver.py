"""What happens when an object is created in the bucket."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from contract.layout import RAW_PREFIX, UploadLocation, parse_upload_key
from pipeline.clock import utc_now
from pipeline.errors import UnreadableUploadError
from pipeline.intake import upload_emails
from pipeline.intake.run_starter import start_ready_runs
from pipeline.intake.uploads import FileHead, Upload, check_upload, read_head
from pipeline.ledger.batch import BatchFile
from pipeline.ledger.batch_ledger import Batch, BatchLedger
from pipeline.notifications.emails import EmailSender

_HOUR = len("2026-11-24T08")

Outcome = Literal["ignored", "unknown", "gone", "unreadable", "refused", "outdated", "noted"]


@dataclass(frozen=True)
class UploadReceipt:
    """What became of an upload; `runs` are the ids of the runs that were started by it."""

    outcome: Outcome
    batch: str | None = None
    runs: tuple[str, ...] = ()


class UploadReceiver:
    """Takes uploads in: checks them, notes them in the ledger, starts complete batches."""

    def __init__(self, ledger: BatchLedger, mailer: EmailSender, state_machine_arn: str) -> None:
        self._ledger = ledger
        self._mailer = mailer
        self._state_machine_arn = state_machine_arn

    def receive(self, upload: Upload) -> UploadReceipt:
        """Take one upload in; the same event again changes nothing and carries on what broke."""
        place = parse_upload_key(upload.key)
        if place is None:
            return self._without_place(upload)
        outcome = self._look_at(place, upload)
        # In every case: an earlier try may have ended between its note and its start.
        runs = start_ready_runs(self._ledger, place.batch, self._state_machine_arn, utc_now())
        return UploadReceipt(outcome, place.batch, tuple(runs))

    def _look_at(self, place: UploadLocation, upload: Upload) -> Outcome:
        try:
            head = read_head(upload)
        except UnreadableUploadError as error:
            mail = upload_emails.unreadable_file_email(upload.key, str(error))
            version = upload.version_id or upload.sequencer
            self._mailer.send_once(f"unreadable {upload.key} {version}", mail)
            return "unreadable"
        return self._note(place, upload, head) if head else "gone"

    def _note(self, place: UploadLocation, upload: Upload, head: FileHead) -> Outcome:
        file, check = check_upload(place.dataset, upload, head)
        if check.problems:
            return self._refuse(place, file, check.message(upload.key))
        is_new = self._ledger.record_valid(place.batch, file, utc_now())
        return "noted" if is_new else "outdated"

    def _without_place(self, upload: Upload) -> UploadReceipt:
        """Folders and empty markers mean nothing; any other name is told."""
        is_marker = upload.key.endswith("/") or upload.size == 0
        if is_marker or not upload.key.startswith(RAW_PREFIX):
            return UploadReceipt("ignored")
        # One mail a folder and hour: SNS suspends a subscription that gets ten in a second.
        folder = upload.key[: upload.key.find("/", len(RAW_PREFIX)) + 1] or RAW_PREFIX
        cause = f"unknown {folder} {upload.event_time[:_HOUR]}"
        self._mailer.send_once(cause, upload_emails.unknown_file_email(upload.key, folder))
        return UploadReceipt("unknown")

    def _refuse(self, place: UploadLocation, file: BatchFile, problems: str) -> Outcome:
        """Note and tell; a version that a newer upload has overtaken is no longer worth a mail."""
        self._ledger.record_rejected(place.batch, file, problems, utc_now())
        batch = self._ledger.batch(place.batch)
        if not _is_newest_refusal(batch, file):
            return "outdated"
        mail = upload_emails.rejected_file_email(file, problems, batch)
        self._mailer.send_once(f"refused {file.key} {file.version_id}", mail)
        return "refused"


def _is_newest_refusal(batch: Batch, file: BatchFile) -> bool:
    noted = batch.refused.get(file.dataset)
    return noted is not None and noted.version_id == file.version_id
