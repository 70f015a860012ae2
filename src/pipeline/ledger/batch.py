"""Files and runs as the ledger and the state machine store them."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from contract.datasets import DATASETS
from contract.layout import RAW_PREFIX

_DIGEST_LENGTH = 20
_MAX_SLUG_LENGTH = 40
# Sequencers have different lengths. They sort by time when the shorter one is padded on the right
# (Amazon S3 User Guide, "Event message structure").
_SEQUENCER_LENGTH = 64


@dataclass(frozen=True)
class FileVersion:
    """One version of one file in the bucket.

    Attributes:
        dataset: Name of the dataset.
        key: Key of the object.
        version_id: Version of the object.
        size: Size of the object in bytes.
        warnings: Warnings of the file check.
    """

    dataset: str
    key: str
    version_id: str
    size: int
    warnings: tuple[str, ...] = field(default=(), kw_only=True)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as they appear in the ledger and in the input of an execution."""
        return {**asdict(self), "warnings": list(self.warnings)}


@dataclass(frozen=True)
class BatchFile(FileVersion):
    """One valid version of one file of a batch.

    Attributes:
        order: A string that sorts the versions of one key by the time of their upload.
        uploaded_at: Time of the upload according to S3, ISO 8601.
    """

    order: str
    uploaded_at: str

    @property
    def version(self) -> FileVersion:
        """The file version without the details of its upload."""
        return FileVersion(
            self.dataset, self.key, self.version_id, self.size, warnings=self.warnings
        )


def order_of_event(sequencer: str) -> str:
    """Return the order of a version that an S3 event with this sequencer announced."""
    return sequencer.upper().ljust(_SEQUENCER_LENGTH, "0")


def order_after(order: str) -> str:
    """Return the order of a version that S3 holds, but whose event has not arrived.

    Args:
        order: The greatest order of the same key that is recorded. Empty if none is.

    Returns:
        A greater order, which is smaller than that of any event about a newer version.
    """
    return f"{order}0"


@dataclass(frozen=True)
class Run:
    """Four claimed file versions: the input of an execution.

    Attributes:
        run_id: ID of the run and name of its execution.
        batch: Prefix of the batch.
        claimed_at: Time of the claim: ISO 8601 in UTC with microseconds, so that it sorts as text.
        files: One version of each dataset.
    """

    run_id: str
    batch: str
    claimed_at: str
    files: tuple[FileVersion, ...]

    @property
    def execution_input(self) -> str:
        """The input of the execution as JSON.

        A run always has the same text, because Step Functions compares it when an execution is
        started again.
        """
        content = {
            "batch": self.batch,
            "claimed_at": self.claimed_at,
            "files": [file.to_dict() for file in self.files],
        }
        return json.dumps(content, sort_keys=True)


def new_run(batch: str, files: Mapping[str, BatchFile], claimed_at: str) -> Run:
    """Return the run of four files. Its ID is derived from their keys and versions.

    Args:
        batch: Prefix of the batch.
        files: The file of each dataset, by the name of the dataset.
        claimed_at: Time of the claim.
    """
    versions = tuple(files[dataset.name].version for dataset in DATASETS)
    identity = json.dumps([(file.key, file.version_id) for file in versions])
    digest = hashlib.sha256(identity.encode()).hexdigest()[:_DIGEST_LENGTH]
    return Run(f"{_slug(batch)}-{digest}", batch, claimed_at, versions)


def _slug(batch: str) -> str:
    """Return the batch name in the plain characters of a run ID, or `raw` if it has none."""
    name = batch.removeprefix(RAW_PREFIX).strip("/")
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return re.sub("[^A-Za-z0-9]+", "-", plain).strip("-")[:_MAX_SLUG_LENGTH].strip("-") or "raw"
