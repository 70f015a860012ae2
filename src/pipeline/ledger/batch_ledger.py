"""The ledger of batches: the files that each batch has received, and its claimed runs.

Each batch prefix has one item, `batch/<prefix>`. Each dataset has its own three attributes, so that
updates of different datasets never conflict:

- `<dataset>`: the newest valid version since the last claim.
- `<dataset>_latest`: order and version of the newest valid version ever recorded. A claim keeps it,
  so that a repeated event does not look like the first file of the next batch.
- `<dataset>_rejected`: the newest rejected version. A claim keeps it too.

`claimed_runs` contains the input of each claimed run that has not been recorded as started, by run
ID. `waiting_since` is the time when the first file since the last claim arrived.

All updates are conditional, and a recorded order only increases. Duplicates, retries, and
concurrent invocations therefore lead to the same item.
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
    """

    prefix: str
    files: Mapping[str, BatchFile]
    rejected: Mapping[str, RejectedUpload]
    claimed_runs: tuple[Run, ...]
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
        """Record a valid version, unless it or a newer one is already recorded.

        The condition compares the version as well as the order, because an event without a version
        ID can announce a version that another event has already announced with another order.

        Returns:
            Whether the item has changed.
        """
        return self._table.update(
            batch_key(batch),
            "SET #file = :file, #latest = :latest,"
            " claimed_runs = if_not_exists(claimed_runs, :no_runs),"
            " waiting_since = if_not_exists(waiting_since, :now)",
            "attribute_not_exists(#latest)"
            " OR (#latest.#order < :order AND #latest.version_id <> :version)",
            names={"#file": file.dataset, "#latest": f"{file.dataset}_latest", "#order": "order"},
            values={
                ":file": file.to_dict(),
                ":latest": {"order": file.order, "version_id": file.version_id},
                ":order": file.order,
                ":version": file.version_id,
                ":no_runs": {},
                ":now": now,
            },
        )

    def record_rejected(self, batch: str, file: BatchFile, problems: str, now: str) -> bool:
        """Record a rejected version, unless it or a newer one is already recorded.

        The newest valid version stays recorded.

        Returns:
            Whether the item has changed.
        """
        upload = RejectedUpload(file.key, file.version_id, file.order, problems)
        return self._table.update(
            batch_key(batch),
            "SET #rejected = :rejected, waiting_since = if_not_exists(waiting_since, :now)",
            "(attribute_not_exists(#latest) OR #latest.#order < :order)"
            " AND (attribute_not_exists(#rejected)"
            " OR (#rejected.#order < :order AND #rejected.version_id <> :version))",
            names={
                "#rejected": f"{file.dataset}_rejected",
                "#latest": f"{file.dataset}_latest",
                "#order": "order",
            },
            values={
                ":rejected": asdict(upload),
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
            Whether the item has changed. It does not change if one of the files was replaced.
        """
        datasets = [dataset.name for dataset in DATASETS]
        return self._table.update(
            batch_key(run.batch),
            f"SET claimed_runs.#run = :run REMOVE {', '.join(f'#{name}' for name in datasets)},"
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
        """Remove a claimed run whose execution has started."""
        self._table.update(
            batch_key(run.batch),
            "REMOVE claimed_runs.#run",
            "attribute_exists(claimed_runs.#run)",
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
        upload = item.get(f"{name}_rejected")
        if upload and upload["order"] > item.get(f"{name}_latest", {"order": ""})["order"]:
            rejected[name] = RejectedUpload(**upload)
    claimed_runs = tuple(
        Run(
            run_id,
            prefix,
            claim["claimed_at"],
            tuple(FileVersion(**_parse_file(file)) for file in claim["files"]),
        )
        for run_id, claim in sorted(item.get("claimed_runs", {}).items())
    )
    return Batch(prefix, files, rejected, claimed_runs, item.get("waiting_since"))


def _parse_file(value: Mapping[str, Any]) -> dict[str, Any]:
    # DynamoDB returns numbers as Decimal, which cannot be written as JSON.
    return {**value, "size": int(value["size"]), "warnings": tuple(value["warnings"])}
