"""The ledger of batches: which files of each have arrived, and which runs are about to start.

Each batch prefix has one item, `batch/<prefix>`. Each dataset has three attributes, so that updates
of different datasets never conflict:

- `<dataset>`: the newest valid version since the last claim.
- `<dataset>_taken`: order and version of the newest valid version ever recorded. A claim keeps it,
  so that a repeated event does not look like the first file of the next batch.
- `<dataset>_refused`: the newest rejected version. A claim keeps it too.

`claimed` maps the ID of each claimed run that has not been recorded as started to its input.
`waiting_since` is the time when the first file since the last claim arrived.

All updates are conditional, and a recorded order only grows. Duplicates, retries, and concurrent
functions therefore lead to the same item.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from contract.datasets import DATASETS
from pipeline.ledger.batch import BatchFile, FileVersion, Run
from pipeline.ledger.keys import BATCH_PREFIX, batch_key
from pipeline.ledger.table import LedgerTable


@dataclass(frozen=True)
class RejectedUpload:
    """The newest rejected version of a file, and its problems in one line."""

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
        claimed: The runs that have not been recorded as started.
        waiting_since: Time of the first file since the last claim, ISO 8601. None if no file has
            arrived since then.
    """

    prefix: str
    files: Mapping[str, BatchFile]
    rejected: Mapping[str, RejectedUpload]
    claimed: tuple[Run, ...]
    waiting_since: str | None

    @property
    def is_complete(self) -> bool:
        """Whether the batch has a valid file for each dataset."""
        return len(self.files) == len(DATASETS)


class BatchLedger:
    """The items of the batches. All times are ISO 8601 in UTC."""

    def __init__(self, table: LedgerTable) -> None:
        self._table = table

    def record_valid(self, batch: str, file: BatchFile, now: str) -> bool:
        """Record a valid version, unless it or a newer one is recorded already.

        The condition compares the version as well as the order: where events name no version, one
        version can arrive with two orders.

        Returns:
            Whether the item has changed.
        """
        return self._table.update(
            batch_key(batch),
            "SET #file = :file, #taken = :taken, claimed = if_not_exists(claimed, :none),"
            " waiting_since = if_not_exists(waiting_since, :now)",
            "attribute_not_exists(#taken)"
            " OR (#taken.#order < :order AND #taken.version_id <> :version)",
            names={"#file": file.dataset, "#taken": f"{file.dataset}_taken", "#order": "order"},
            values={
                ":file": file.to_dict(),
                ":taken": {"order": file.order, "version_id": file.version_id},
                ":order": file.order,
                ":version": file.version_id,
                ":none": {},
                ":now": now,
            },
        )

    def record_rejected(self, batch: str, file: BatchFile, problems: str, now: str) -> bool:
        """Record a rejected version, unless it or a newer one is recorded already.

        The newest valid version stays recorded.

        Returns:
            Whether the item has changed.
        """
        return self._table.update(
            batch_key(batch),
            "SET #refused = :refused, waiting_since = if_not_exists(waiting_since, :now)",
            "(attribute_not_exists(#taken) OR #taken.#order < :order)"
            " AND (attribute_not_exists(#refused)"
            " OR (#refused.#order < :order AND #refused.version_id <> :version))",
            names={
                "#refused": f"{file.dataset}_refused",
                "#taken": f"{file.dataset}_taken",
                "#order": "order",
            },
            values={
                ":refused": asdict(RejectedUpload(file.key, file.version_id, file.order, problems)),
                ":order": file.order,
                ":version": file.version_id,
                ":now": now,
            },
        )

    def claim(self, run: Run, files: Mapping[str, BatchFile]) -> bool:
        """Turn the four files of a batch into a run, and remove them, in one update.

        Args:
            run: The run to record as claimed.
            files: The files of the run, by dataset name.

        Returns:
            Whether the item has changed. It has not if one of the files was replaced.
        """
        datasets = [dataset.name for dataset in DATASETS]
        return self._table.update(
            batch_key(run.batch),
            f"SET claimed.#run = :run REMOVE {', '.join(f'#{name}' for name in datasets)},"
            " waiting_since",
            " AND ".join(f"#{name}.version_id = :{name}" for name in datasets),
            names={"#run": run.run_id, **{f"#{name}": name for name in datasets}},
            values={
                ":run": {
                    "claimed_at": run.claimed_at,
                    "files": [file.to_dict() for file in run.files],
                },
                **{f":{name}": files[name].version_id for name in datasets},
            },
        )

    def record_started(self, run: Run) -> None:
        """Remove a claimed run, because the state machine knows it from now on."""
        self._table.update(
            batch_key(run.batch),
            "REMOVE claimed.#run",
            "attribute_exists(claimed.#run)",
            names={"#run": run.run_id},
        )

    def get_batch(self, prefix: str) -> Batch:
        """Return the current state of a batch."""
        return _parse_batch(prefix, self._table.get(batch_key(prefix)))

    def list_batches(self) -> Iterator[Batch]:
        """Yield every batch that has an item."""
        for item in self._table.scan(BATCH_PREFIX):
            yield _parse_batch(item["id"].removeprefix(BATCH_PREFIX), item)


def _parse_batch(prefix: str, item: Mapping[str, Any]) -> Batch:
    files, rejected = {}, {}
    for name in (dataset.name for dataset in DATASETS):
        if name in item:
            files[name] = BatchFile(**_parse_file(item[name]))
        upload = item.get(f"{name}_refused")
        if upload and upload["order"] > item.get(f"{name}_taken", {"order": ""})["order"]:
            rejected[name] = RejectedUpload(**upload)
    claimed = tuple(
        Run(
            run_id,
            prefix,
            claim["claimed_at"],
            tuple(FileVersion(**_parse_file(file)) for file in claim["files"]),
        )
        for run_id, claim in sorted(item.get("claimed", {}).items())
    )
    return Batch(prefix, files, rejected, claimed, item.get("waiting_since"))


def _parse_file(value: Mapping[str, Any]) -> dict[str, Any]:
    # DynamoDB returns numbers as Decimal, which cannot be written as JSON.
    return {**value, "size": int(value["size"]), "warnings": tuple(value["warnings"])}
