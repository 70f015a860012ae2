"""The slots of the ledger: they limit how many runs are in progress at the same time.

One item, `run_slots`, contains the IDs of the runs in the attribute `runs`, a string set. A run
takes a slot before its execution is started, and gives it back when the execution has ended. Every
execution also adds itself when it starts, so that runs that people start count, too.
"""

from __future__ import annotations

from pipeline.ledger.keys import RUN_SLOTS
from pipeline.ledger.table import LedgerTable


class RunSlots:
    """The runs in progress."""

    def __init__(self, table: LedgerTable, maximum: int) -> None:
        """Create the slots.

        Args:
            table: The ledger's table.
            maximum: Maximum number of runs that are in progress at the same time.
        """
        self._table = table
        self._maximum = maximum

    def acquire(self, run_id: str) -> bool:
        """Take a slot for a run, unless all slots are taken by other runs.

        Returns:
            Whether the run has a slot now, also if it had one before.
        """
        return self._table.update(
            RUN_SLOTS,
            "ADD runs :runs",
            "attribute_not_exists(runs) OR size(runs) < :maximum OR contains(runs, :run)",
            values={":runs": {run_id}, ":run": run_id, ":maximum": self._maximum},
        )

    def release(self, run_id: str) -> bool:
        """Give the slot of a run back.

        Returns:
            Whether the run had a slot.
        """
        return self._table.update(
            RUN_SLOTS,
            "DELETE runs :runs, missing_runs :runs",
            "contains(runs, :run)",
            values={":runs": {run_id}, ":run": run_id},
        )

    def release_if_still_missing(self, run_id: str) -> bool:
        """Give the slot of a run without an execution back, but only at the second call.

        Step Functions may not find an execution in the first seconds after its start.

        Returns:
            Whether the slot was given back.
        """
        is_newly_missing = self._table.update(
            RUN_SLOTS,
            "ADD missing_runs :runs",
            "contains(runs, :run) AND NOT contains(missing_runs, :run)",
            values={":runs": {run_id}, ":run": run_id},
        )
        return not is_newly_missing and self.release(run_id)

    def list_runs(self) -> frozenset[str]:
        """Return the IDs of the runs that have a slot."""
        return frozenset(self._table.get(RUN_SLOTS).get("runs", ()))

    def has_free_slot(self, runs: frozenset[str]) -> bool:
        """Return whether another run than the given ones can take a slot."""
        return len(runs) < self._maximum
