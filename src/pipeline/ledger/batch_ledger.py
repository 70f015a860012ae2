"""The ledger of batches: what has arrived of each, and what was claimed and is to be started.

One item a batch prefix, `batch/<prefix>`. Each dataset has three attributes of its own, named after
it, so that no two datasets meet in one update:

- `<dataset>`: the newest valid version since the last claim;
- `<dataset>_taken`: the order and version of the newest valid one ever noted, which outlives
  claims, so that a repeated event is not taken for the first file of the next batch;
- `<dataset>_refused`: the newest version that was refused, which outlives claims too.

`claimed` maps the ids of runs that were claimed and not yet seen to be started to their input.
`waiting_since` is when the first file since the last claim came.

An order may only grow; all updates are conditional, so duplicates, retries and other Lambdas at the
same time come to the same item.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from contract.datasets import DATASETS
from pipeline.ledger.batch import BatchFile, Run
from pipeline.ledger.table import LedgerTable

_BATCH = "batch/"


@dataclass(frozen=True)
class RejectedUpload:
    """The newest version of a file that cannot be used, and why in one line."""

    key: str
    version_id: str
    order: str
    problems: str


@dataclass(frozen=True)
class Batch:
    """What the ledger holds of one batch prefix.

    `files` and `refused` are keyed by dataset name; of `refused` only what no valid version has
    followed. `claimed` are the runs that nobody has yet seen started. `waiting_since` is ISO 8601;
    null when nothing has come since the last claim.
    """

    prefix: str
    files: Mapping[str, BatchFile]
    refused: Mapping[str, RejectedUpload]
    claimed: tuple[Run, ...]
    waiting_since: str | None

    @property
    def is_complete(self) -> bool:
        return len(self.files) == len(DATASETS)


class BatchLedger:
    """The batches' items of the ledger table; times are ISO 8601 in UTC."""

    def __init__(self, table: str) -> None:
        self._table = LedgerTable(table)

    def record_valid(self, batch: str, file: BatchFile, now: str) -> bool:
        """Note a valid version; false, and nothing changes, if it or a newer one is noted already.

        The version counts besides the order: where events name no versions, one version can be
        announced under two orders.
        """
        return self._table.update(
            f"{_BATCH}{batch}",
            "SET #file = :file, #taken = :taken, claimed = if_not_exists(claimed, :none),"
            " waiting_since = if_not_exists(waiting_since, :now)",
            "attribute_not_exists(#taken)"
            " OR (#taken.#order < :order AND #taken.version_id <> :version)",
            names={"#file": file.dataset, "#taken": f"{file.dataset}_taken", "#order": "order"},
            values={
                ":file": {**asdict(file), "warnings": list(file.warnings)},
                ":taken": {"order": file.order, "version_id": file.version_id},
                ":order": file.order,
                ":version": file.version_id,
                ":none": {},
                ":now": now,
            },
        )

    def record_rejected(self, batch: str, file: BatchFile, problems: str, now: str) -> bool:
        """Note a version that cannot be used; false if it or a newer one is noted already.

        It leaves the newest valid version as it is.
        """
        return self._table.update(
            f"{_BATCH}{batch}",
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
        """Turn the batch's four files into the run and clear them, in one update.

        `files` is what the run was made of; false, and nothing changes, if any of the four is
        another by now.
        """
        datasets = [dataset.name for dataset in DATASETS]
        return self._table.update(
            f"{_BATCH}{run.batch}",
            f"SET claimed.#run = :run REMOVE {', '.join(f'#{name}' for name in datasets)},"
            " waiting_since",
            " AND ".join(f"#{name}.version_id = :{name}" for name in datasets),
            names={"#run": run.run_id, **{f"#{name}": name for name in datasets}},
            values={
                ":run": {"claimed_at": run.claimed_at, "files": [dict(f) for f in run.files]},
                **{f":{name}": files[name].version_id for name in datasets},
            },
        )

    def record_started(self, run: Run) -> None:
        """Forget a claimed run, which the state machine knows from now on."""
        self._table.update(
            f"{_BATCH}{run.batch}",
            "REMOVE claimed.#run",
            "attribute_exists(claimed.#run)",
            names={"#run": run.run_id},
        )

    def batch(self, prefix: str) -> Batch:
        """What is noted of a batch now."""
        return _batch(prefix, self._table.get(f"{_BATCH}{prefix}"))

    def batches(self) -> Iterator[Batch]:
        """Every batch of which something was ever noted."""
        for item in self._table.items(_BATCH):
            yield _batch(item["id"].removeprefix(_BATCH), item)


def _batch(prefix: str, item: Mapping[str, Any]) -> Batch:
    files, refused = {}, {}
    for name in (dataset.name for dataset in DATASETS):
        if name in item:
            files[name] = _file(item[name])
        problem = item.get(f"{name}_refused")
        if problem and problem["order"] > item.get(f"{name}_taken", {"order": ""})["order"]:
            refused[name] = RejectedUpload(**problem)
    claimed = tuple(
        Run(run_id, prefix, noted["claimed_at"], tuple(_entry(file) for file in noted["files"]))
        for run_id, noted in sorted(item.get("claimed", {}).items())
    )
    return Batch(prefix, files, refused, claimed, item.get("waiting_since"))


def _file(noted: Mapping[str, Any]) -> BatchFile:
    return BatchFile(**{**_entry(noted), "warnings": tuple(noted["warnings"])})


def _entry(noted: Mapping[str, Any]) -> dict[str, Any]:
    """DynamoDB's numbers are Decimal, which JSON does not know."""
    return {**noted, "size": int(noted["size"])}
