"""The state of a batch, as the ledger's item contains it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from contract.datasets import DATASETS
from pipeline.ledger.batch import BatchFile, FileVersion, Run, order_after


@dataclass(frozen=True)
class RejectedUpload:
    """A rejected version of a file.

    Attributes:
        key: Key of the object.
        version_id: Version of the object.
        order: Position of the version among those of its key, as in `BatchFile.order`.
        problems: Problems that the file check found, in one line.
    """

    key: str
    version_id: str
    order: str
    problems: str


@dataclass(frozen=True)
class Batch:
    """The item of one batch prefix.

    Attributes:
        prefix: The batch prefix.
        files: The newest valid files, by dataset name.
        rejected: The rejected uploads that no valid version has followed, by dataset name.
        claimed_runs: The claimed runs that have not been recorded as started.
        waiting_since: Time of the first file since the last claim, ISO 8601. None if no file has
            arrived since then.
        claimed_versions: The most recently claimed versions, oldest first.
        last_rejected: Version of the last rejected upload, by dataset name, even if a valid version
            has followed it.
        orders: The greatest order that is recorded, by dataset name.
        reported_since: The `waiting_since` with which the batch was reported as incomplete.
        held_run: ID of the run that the files would have, if the batch was reported as held.
    """

    prefix: str
    files: Mapping[str, BatchFile]
    rejected: Mapping[str, RejectedUpload]
    claimed_runs: tuple[Run, ...]
    waiting_since: str | None
    claimed_versions: tuple[str, ...] = ()
    last_rejected: Mapping[str, str] = field(default_factory=dict)
    orders: Mapping[str, str] = field(default_factory=dict)
    reported_since: str | None = None
    held_run: str | None = None

    @property
    def is_complete(self) -> bool:
        """Whether the batch has a valid file for each dataset."""
        return len(self.files) == len(DATASETS)

    @property
    def is_idle(self) -> bool:
        """Whether there is nothing to wait for: no file, and no run to start."""
        has_waiting_rejection = bool(self.waiting_since and self.rejected)
        return not (self.files or self.claimed_runs or has_waiting_rejection)

    @property
    def is_only_queued(self) -> bool:
        """Whether the batch only waits for the start of its claimed runs, not for a file."""
        return bool(self.claimed_runs) and not self.files and self.waiting_since is None

    def is_known(self, dataset: str, version_id: str) -> bool:
        """Return whether a version is recorded as valid, rejected, or claimed."""
        file = self.files.get(dataset)
        return (
            version_id in self.claimed_versions
            or version_id == self.last_rejected.get(dataset)
            or (file is not None and version_id == file.version_id)
        )

    def next_order(self, dataset: str) -> str:
        """Return an order for a version of a dataset that is newer than all recorded ones."""
        return order_after(self.orders.get(dataset, ""))


def parse_batch(prefix: str, item: Mapping[str, Any]) -> Batch:
    """Return the batch that an item contains.

    Args:
        prefix: The batch prefix.
        item: The item, or an empty mapping if the batch has none.
    """
    files, rejected, last_rejected, orders = {}, {}, {}, {}
    for name in (dataset.name for dataset in DATASETS):
        latest = item.get(f"{name}_latest", {"order": ""})
        upload = item.get(f"{name}_rejected", {"order": ""})
        orders[name] = max(latest["order"], upload["order"])
        if name in item:
            files[name] = BatchFile(**_parse_file(item[name]))
        if upload["order"]:
            last_rejected[name] = upload["version_id"]
        if upload["order"] > latest["order"]:
            rejected[name] = RejectedUpload(**upload)
    return Batch(
        prefix,
        files,
        rejected,
        tuple(
            _parse_claimed_run(run_id, prefix, claim)
            for run_id, claim in sorted(item.get("claimed_runs", {}).items())
        ),
        item.get("waiting_since"),
        tuple(item.get("claimed_versions", ())),
        last_rejected,
        orders,
        item.get("reported_since"),
        item.get("held_run"),
    )


def _parse_claimed_run(run_id: str, prefix: str, claim: Mapping[str, Any]) -> Run:
    files = tuple(FileVersion(**_parse_file(file)) for file in claim["files"])
    return Run(run_id, prefix, claim["claimed_at"], files)


def _parse_file(value: Mapping[str, Any]) -> dict[str, Any]:
    # DynamoDB returns numbers as Decimal, which cannot be written as JSON.
    return {**value, "size": int(value["size"]), "warnings": tuple(value["warnings"])}
