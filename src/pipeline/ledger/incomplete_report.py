"""The report about incomplete batches that is being sent.

One item, `incomplete_report`, contains the batches of a report. It is written before the email is
sent, and cleared when each batch is recorded as reported. A report that was interrupted in between
is completed by the next sweep, with the same batches and thus with the same notification.
"""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.ledger.keys import INCOMPLETE_REPORT
from pipeline.ledger.table import LedgerTable


class IncompleteReport:
    """The batches of the report: the time since each waits, by batch prefix."""

    def __init__(self, table: LedgerTable) -> None:
        self._table = table

    def get_batches(self) -> dict[str, str]:
        """Return the batches of the report that is being sent, if there is one."""
        return dict(self._table.get(INCOMPLETE_REPORT).get("batches", {}))

    def begin(self, batches: Mapping[str, str]) -> bool:
        """Begin a report, unless another one is being sent.

        Returns:
            Whether the report has begun.
        """
        return self._table.update(
            INCOMPLETE_REPORT,
            "SET batches = :batches",
            "attribute_not_exists(batches)",
            values={":batches": dict(batches)},
        )

    def end(self, batches: Mapping[str, str]) -> bool:
        """End a report, unless another function has ended it.

        Returns:
            Whether the item has changed.
        """
        return self._table.update(
            INCOMPLETE_REPORT,
            "REMOVE batches",
            "batches = :batches",
            values={":batches": dict(batches)},
        )
