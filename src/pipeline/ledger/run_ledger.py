"""The ledger of runs: one item for each execution, `run/<run ID>`.

The state machine records the start and the end of its executions. This module records the end of
executions that could not do so themselves: they were aborted, timed out, or no longer exist.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from pipeline.aws.executions import Execution
from pipeline.clock import parse_utc
from pipeline.ledger.keys import EXPIRATION, OPEN, OPEN_RUN, RUN_PREFIX, expiration_time, run_key
from pipeline.ledger.table import LedgerTable


@dataclass(frozen=True)
class RecordedRun:
    """A run in the ledger.

    Attributes:
        run_id: ID of the run.
        batch: Prefix of the batch. Empty if unknown.
        started_at: Time of the start, ISO 8601 in UTC. Empty if unknown.
    """

    run_id: str
    batch: str
    started_at: str


class RunLedger:
    """The items of the runs. All times are ISO 8601 in UTC."""

    def __init__(self, table: LedgerTable, retention: timedelta) -> None:
        """Create the ledger.

        Args:
            table: The ledger's table.
            retention: Time from the end of a run until its item expires.
        """
        self._table = table
        self._retention = retention

    def list_running(self) -> Iterator[RecordedRun]:
        """Yield every run that is recorded as running."""
        for item in self._table.query_open(OPEN_RUN):
            yield RecordedRun(
                item["id"].removeprefix(RUN_PREFIX),
                item.get("batch", ""),
                item.get("started_at", ""),
            )

    def record_failed(self, execution: Execution, reason: str, now: str) -> bool:
        """Record that a run failed, unless its end is already recorded.

        Creates the item if the execution ended before it recorded its start.

        Args:
            execution: The execution of the run.
            reason: Description of the failure.
            now: The current time.

        Returns:
            Whether the item has changed.
        """
        return self._table.update(
            run_key(execution.run_id),
            "SET #status = :failed, #error = :error, cause = :reason, ended_at = :now,"
            " execution_arn = :arn, #expiration = :expiration,"
            " #batch = if_not_exists(#batch, :batch),"
            " claimed_at = if_not_exists(claimed_at, :claimed_at) REMOVE #open",
            "attribute_not_exists(#status) OR #status = :running",
            names={
                "#status": "status",
                "#error": "error",
                "#batch": "batch",
                "#expiration": EXPIRATION,
                "#open": OPEN,
            },
            values={
                ":failed": "FAILED",
                ":running": "RUNNING",
                ":error": execution.error or execution.status,
                ":reason": reason,
                ":now": now,
                ":arn": execution.arn,
                ":batch": execution.input.get("batch", ""),
                ":claimed_at": execution.input.get("claimed_at", ""),
                ":expiration": expiration_time(parse_utc(now), self._retention),
            },
        )

    def record_published(self, run_id: str, status: str, now: str) -> bool:
        """Record the status of a run that has not failed and is recorded as running.

        Args:
            run_id: ID of the run.
            status: PUBLISHED, SUPERSEDED, or VERIFIED.
            now: The current time.

        Returns:
            Whether the item has changed.
        """
        return self._table.update(
            run_key(run_id),
            "SET #status = :status, ended_at = :now REMOVE #open",
            "#status = :running",
            names={"#status": "status", "#open": OPEN},
            values={":status": status, ":running": "RUNNING", ":now": now},
        )
