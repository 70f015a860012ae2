"""The ledger of batches: the files that each batch has received, and its claimed runs.

Each batch prefix has one item, `batch/<prefix>`. Each dataset has its own three attributes, so that
updates of different datasets never conflict:

- `<dataset>`: the newest valid version since the last claim.
- `<dataset>_latest`: order and version of the newest valid version ever recorded. A claim keeps it,
  so that a repeated event does not look like the first file of the next batch.
- `<dataset>_rejected`: the newest rejected version. A claim keeps it too.

`claimed_versions` contains the most recently claimed versions, which are never recorded again.
`claimed_runs` contains the input of each claimed run that has not been recorded as started, by run
ID. `waiting_since` is the time when the first file since the last claim arrived. The index of open
items contains the item while it has files, claimed runs, or rejected uploads since the last claim.

All updates are conditional, and a recorded order only increases. Duplicates, retries, and
concurrent invocations therefore lead to the same item.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from contract.datasets import DATASETS
from pipeline.clock import parse_utc
from pipeline.ledger.batch import BatchFile, Run
from pipeline.ledger.batch_item import Batch, RejectedUpload, parse_batch
from pipeline.ledger.keys import (
    BATCH_PREFIX,
    EXPIRATION,
    OPEN,
    OPEN_BATCH,
    batch_key,
    expiration_time,
)
from pipeline.ledger.table import LedgerTable

_DATASET_NAMES = tuple(dataset.name for dataset in DATASETS)
# An old version becomes the current one again only if somebody deletes all newer ones. The most
# recent claims are enough to recognize it, and keep the item small.
_MAX_CLAIMED_VERSIONS = 400
# An item has at most 400 KB (Amazon DynamoDB Developer Guide, "Quotas"). Further batches of the
# prefix are claimed when some of these runs have started.
_MAX_WAITING_RUNS = 50


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
            "SET #file = :file, #latest = :latest, #open = :open,"
            " claimed_runs = if_not_exists(claimed_runs, :no_runs),"
            f" waiting_since = if_not_exists(waiting_since, :now) REMOVE {EXPIRATION}",
            "(attribute_not_exists(#latest)"
            " OR (#latest.#order < :order AND #latest.version_id <> :version))"
            " AND NOT contains(claimed_versions, :version)",
            names={
                "#file": file.dataset,
                "#latest": f"{file.dataset}_latest",
                "#order": "order",
                "#open": OPEN,
            },
            values={
                ":file": file.to_dict(),
                ":latest": {"order": file.order, "version_id": file.version_id},
                ":order": file.order,
                ":version": file.version_id,
                ":no_runs": {},
                ":open": OPEN_BATCH,
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
            "SET #rejected = :rejected, #open = :open,"
            f" waiting_since = if_not_exists(waiting_since, :now) REMOVE {EXPIRATION}",
            "(attribute_not_exists(#latest) OR #latest.#order < :order)"
            " AND (attribute_not_exists(#rejected)"
            " OR (#rejected.#order < :order AND #rejected.version_id <> :version))",
            names={
                "#rejected": f"{file.dataset}_rejected",
                "#latest": f"{file.dataset}_latest",
                "#order": "order",
                "#open": OPEN,
            },
            values={
                ":rejected": asdict(upload),
                ":order": file.order,
                ":version": file.version_id,
                ":open": OPEN_BATCH,
                ":now": now,
            },
        )

    def remove_file(self, batch: str, file: BatchFile) -> bool:
        """Remove a valid version that S3 no longer has, unless another one has replaced it.

        The version can be recorded again if somebody restores it.

        Returns:
            Whether the item has changed.
        """
        return self._table.update(
            batch_key(batch),
            "REMOVE #file SET #latest.version_id = :none",
            "#file.version_id = :version",
            names={"#file": file.dataset, "#latest": f"{file.dataset}_latest"},
            values={":version": file.version_id, ":none": ""},
        )

    def remove_rejected(self, batch: str, dataset: str, upload: RejectedUpload) -> bool:
        """Remove a rejected version that S3 no longer has, unless another one has replaced it.

        Returns:
            Whether the item has changed.
        """
        return self._table.update(
            batch_key(batch),
            "REMOVE #rejected",
            "#rejected.version_id = :version",
            names={"#rejected": f"{dataset}_rejected"},
            values={":version": upload.version_id},
        )

    def claim(self, run: Run, batch: Batch) -> bool:
        """Turn the four files of a batch into a run, and remove them, in one update.

        Args:
            run: The run to record as claimed.
            batch: The batch as it was read.

        Returns:
            Whether the item has changed. It does not change if one of the files was replaced, or if
            too many runs of the prefix wait.
        """
        versions = {name: batch.files[name].version_id for name in _DATASET_NAMES}
        claimed = (*batch.claimed_versions, *versions.values())[-_MAX_CLAIMED_VERSIONS:]
        return self._table.update(
            batch_key(run.batch),
            "SET claimed_runs.#run = :run, claimed_versions = :claimed"
            f" REMOVE {', '.join(f'#{name}' for name in _DATASET_NAMES)}, waiting_since, held_run",
            " AND ".join(f"#{name}.version_id = :{name}" for name in _DATASET_NAMES)
            + " AND size(claimed_runs) < :max_runs",
            names={"#run": run.run_id, **{f"#{name}": name for name in _DATASET_NAMES}},
            values={
                ":run": {
                    "claimed_at": run.claimed_at,
                    "files": [file.to_dict() for file in run.files],
                },
                ":claimed": list(claimed),
                ":max_runs": _MAX_WAITING_RUNS,
                **{f":{name}": version for name, version in versions.items()},
            },
        )

    def record_started(self, run: Run) -> bool:
        """Remove a claimed run whose execution has started.

        Returns:
            Whether the item has changed.
        """
        return self._table.update(
            batch_key(run.batch),
            "REMOVE claimed_runs.#run",
            "attribute_exists(claimed_runs.#run)",
            names={"#run": run.run_id},
        )

    def close(self, batch: Batch, now: str, retention: timedelta) -> bool:
        """Remove an idle batch from the index of open items, and let its item expire.

        Args:
            batch: The batch as it was read. It must be idle.
            now: The current time.
            retention: Time until the item expires.

        Returns:
            Whether the item has changed. It does not change if a file has arrived in the meantime.
        """
        conditions = ["(attribute_not_exists(claimed_runs) OR size(claimed_runs) = :zero)"]
        conditions += [f"attribute_not_exists(#{name})" for name in _DATASET_NAMES]
        names = {f"#{name}": name for name in _DATASET_NAMES}
        values: dict[str, Any] = {":zero": 0}
        if batch.waiting_since is None:
            conditions.append("attribute_not_exists(waiting_since)")
        else:
            # A rejected upload that arrives now does not change `waiting_since`.
            conditions.append("waiting_since = :waiting_since")
            values[":waiting_since"] = batch.waiting_since
            names |= {f"#{name}_rejected": f"{name}_rejected" for name in _DATASET_NAMES}
            for name in _DATASET_NAMES:
                conditions.append(_is_unchanged(f"#{name}_rejected", batch.last_rejected.get(name)))
                if name in batch.last_rejected:
                    values[f":{name}_rejected"] = batch.last_rejected[name]
        return self._table.update(
            batch_key(batch.prefix),
            f"SET {EXPIRATION} = :expiration REMOVE #open, waiting_since",
            " AND ".join(conditions),
            names={**names, "#open": OPEN},
            values={**values, ":expiration": expiration_time(parse_utc(now), retention)},
        )

    def record_reported(self, batch: Batch) -> bool:
        """Record that a batch was reported as incomplete, unless it waits for other files now.

        Returns:
            Whether the item has changed.
        """
        return self._table.update(
            batch_key(batch.prefix),
            "SET reported_since = waiting_since",
            "waiting_since = :waiting_since",
            values={":waiting_since": batch.waiting_since},
        )

    def record_held(self, batch: Batch, run_id: str) -> bool:
        """Record that a batch was reported as held, unless it waits for other files now.

        Args:
            batch: The batch.
            run_id: ID of the run that the files of the batch would have.

        Returns:
            Whether the item has changed.
        """
        return self._table.update(
            batch_key(batch.prefix),
            "SET held_run = :run",
            "waiting_since = :waiting_since",
            values={":run": run_id, ":waiting_since": batch.waiting_since},
        )

    def get_batch(self, prefix: str) -> Batch:
        """Return the current state of a batch."""
        return parse_batch(prefix, self._table.get(batch_key(prefix)))

    def list_open_batches(self) -> Iterator[Batch]:
        """Yield every batch with files, claimed runs, or rejected uploads since its last claim.

        The index is updated shortly after the item. Read the batch again before you change it.
        """
        for item in self._table.query_open(OPEN_BATCH):
            yield parse_batch(item["id"].removeprefix(BATCH_PREFIX), item)


def _is_unchanged(attribute: str, version_id: str | None) -> str:
    if version_id is None:
        return f"attribute_not_exists({attribute})"
    return f"{attribute}.version_id = {attribute.replace('#', ':')}"
