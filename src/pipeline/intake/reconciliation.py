"""Bring the ledger in line with S3, for uploads and deletions whose events are late or lost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from contract.datasets import DATASETS
from contract.layout import RAW_PREFIX, UploadLocation, parse_upload_key
from pipeline.clock import utc_now
from pipeline.intake.current_versions import file_key, get_current_versions
from pipeline.intake.file_recorder import FileRecorder
from pipeline.intake.uploads import Upload
from pipeline.ledger.batch_item import Batch
from pipeline.ledger.batch_ledger import BatchLedger

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client


@dataclass(frozen=True)
class BatchReconciler:
    """Records the current versions of a batch's files.

    Attributes:
        s3: The S3 client.
        bucket: Name of the data bucket.
        ledger: The ledger of batches.
        recorder: Checks and records the files whose events have not arrived.
    """

    s3: S3Client
    bucket: str
    ledger: BatchLedger
    recorder: FileRecorder

    def reconcile(self, prefix: str) -> None:
        """Record the versions that S3 has now, and remove the files that were deleted.

        The current version wins over any recorded one. A version that was claimed is never recorded
        again.

        Args:
            prefix: The batch prefix.
        """
        batch = self.ledger.get_batch(prefix)
        current = get_current_versions(self.s3, self.bucket, prefix)
        for name in current.find_deleted(batch):
            self._remove(batch, name)
        unrecorded = current.find_unrecorded(batch)
        for dataset in DATASETS:
            if dataset.name in unrecorded:
                upload = Upload(
                    bucket=self.bucket,
                    key=file_key(prefix, dataset),
                    size=0,
                    version_id=None,
                    order=batch.next_order(dataset.name),
                    event_time=utc_now(),
                )
                self.recorder.check_and_record(UploadLocation(prefix, dataset), upload)

    def _remove(self, batch: Batch, dataset: str) -> None:
        if file := batch.files.get(dataset):
            self.ledger.remove_file(batch.prefix, file)
        if rejected := batch.rejected.get(dataset):
            self.ledger.remove_rejected(batch.prefix, dataset, rejected)

    def find_lost_uploads(self, since: datetime) -> Iterator[str]:
        """Yield the prefixes of the batches with a recent version that is not in the ledger.

        Args:
            since: Time of the oldest upload to look for, with a time zone.
        """
        for prefix, versions in self._list_recent_uploads(since).items():
            batch = self.ledger.get_batch(prefix)
            if any(not batch.is_known(name, version) for name, version in versions.items()):
                yield prefix

    def _list_recent_uploads(self, since: datetime) -> dict[str, dict[str, str]]:
        """Return the current version of each recent file by dataset name, by batch prefix."""
        uploads: dict[str, dict[str, str]] = {}
        pages = self.s3.get_paginator("list_object_versions").paginate(
            Bucket=self.bucket, Prefix=RAW_PREFIX
        )
        for page in pages:
            for version in page.get("Versions", []):
                location = parse_upload_key(version["Key"])
                if location and version["IsLatest"] and version["LastModified"] >= since:
                    versions = uploads.setdefault(location.batch_prefix, {})
                    versions[location.dataset.name] = version["VersionId"]
        return uploads
