"""The ledger of runs: one item an execution, `run/<run id>`.

The state machine writes them while it lives; here is what is noted for one that could not.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from pipeline.aws.executions import Execution
from pipeline.clock import parse_utc
from pipeline.ledger.table import LedgerTable

_RUN = "run/"
_REMEMBERED = timedelta(days=90)


@dataclass(frozen=True)
class RecordedRun:
    """A run that the ledger knows: its batch's prefix, and when it began, empty if unknown."""

    run_id: str
    batch: str
    started_at: str


class RunLedger:
    """The runs' items of the ledger table; times are ISO 8601 in UTC."""

    def __init__(self, table: str) -> None:
        self._table = LedgerTable(table)

    def running(self) -> Iterator[RecordedRun]:
        """Every run that is noted as running."""
        for item in self._table.items(_RUN):
            if item.get("status") == "RUNNING":
                yield RecordedRun(
                    item["id"].removeprefix(_RUN),
                    item.get("batch", ""),
                    item.get("started_at", ""),
                )

    def record_failed(self, execution: Execution, reason: str, now: str) -> bool:
        """Note that a run failed, unless its end is noted; false, and nothing changes, if it is.

        The item is made if the execution died before it noted itself.
        """
        return self._table.update(
            f"{_RUN}{execution.run_id}",
            "SET #status = :failed, #error = :error, cause = :reason, ended_at = :now,"
            " execution_arn = :arn, expiration = :expiration,"
            " #batch = if_not_exists(#batch, :batch),"
            " claimed_at = if_not_exists(claimed_at, :claimed_at)",
            "attribute_not_exists(#status) OR #status = :running",
            names={"#status": "status", "#error": "error", "#batch": "batch"},
            values={
                ":failed": "FAILED",
                ":running": "RUNNING",
                ":error": execution.error or execution.status,
                ":reason": reason,
                ":now": now,
                ":arn": execution.arn,
                ":batch": execution.input.get("batch", ""),
                ":claimed_at": execution.input.get("claimed_at", ""),
                ":expiration": int((parse_utc(now) + _REMEMBERED).timestamp()),
            },
        )

    def record_published(self, run_id: str, status: str, now: str) -> bool:
        """Note PUBLISHED or SUPERSEDED for a run that still stands as running; else false."""
        return self._table.update(
            f"{_RUN}{run_id}",
            "SET #status = :status, ended_at = :now",
            "#status = :running",
            names={"#status": "status"},
            values={":status": status, ":running": "RUNNING", ":now": now},
        )
