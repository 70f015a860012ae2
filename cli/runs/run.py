"""A run, as the commands know it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from cli.runs.batch_names import get_batch_name
from contract.datasets import RENTALS
from contract.reports import DatasetCounts, TransformationReport

WAITING = "WAITING"
RUNNING = "RUNNING"
PUBLISHED = "PUBLISHED"
SUPERSEDED = "SUPERSEDED"
VERIFIED = "VERIFIED"
FAILED = "FAILED"
STATUSES = (WAITING, RUNNING, PUBLISHED, SUPERSEDED, VERIFIED, FAILED)
"""The status of a run: the one that the ledger records, and WAITING before it has an execution."""
WITH_RESULTS = frozenset({PUBLISHED, SUPERSEDED, VERIFIED})
"""The status of a run that has ended with results."""
ENDED = WITH_RESULTS | {FAILED}


@dataclass(frozen=True)
class Run:
    """A run.

    Attributes:
        run_id: ID of the run.
        batch: Prefix of the batch. Empty if unknown.
        status: One of `STATUSES`.
        claimed_at: Time of the claim, ISO 8601 in UTC. Empty if unknown.
        started_at: Time of the start. `None` if the run waits, or if the time is unknown.
        ended_at: Time of the end. `None` if the run has not ended, or if the time is unknown.
        error: Name of the error that a failed run ended with. Empty if there is none.
        cause: Cause of the error. Empty if there is none.
    """

    run_id: str
    batch: str
    status: str
    claimed_at: str = ""
    started_at: datetime | None = None
    ended_at: datetime | None = None
    error: str = ""
    cause: str = ""

    @property
    def has_ended(self) -> bool:
        """Whether the run has ended."""
        return self.status in ENDED

    @property
    def has_results(self) -> bool:
        """Whether the run has ended with results, even if readers do not see them."""
        return self.status in WITH_RESULTS

    @property
    def batch_name(self) -> str:
        """The name of the batch as people type it, or its prefix if it has no name."""
        return get_batch_name(self.batch)

    def get_seconds(self, now: datetime) -> float | None:
        """Return the duration of the run until now, or `None` if it is unknown."""
        if self.started_at is None or (self.has_ended and self.ended_at is None):
            return None
        return max(0.0, ((self.ended_at or now) - self.started_at).total_seconds())


def get_rental_counts(report: TransformationReport | None) -> DatasetCounts | None:
    """Return what a run counted in the rentals, or `None` if it has no report."""
    return report.datasets[RENTALS.name] if report else None


def parse_time(text: str | None) -> datetime | None:
    """Return a time in UTC of ISO 8601, or `None` if there is none or it is not such a time."""
    try:
        time = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def build_run(execution: Mapping[str, Any], item: Mapping[str, Any]) -> Run:
    """Build a run from its execution and its item in the ledger.

    The execution decides whether the run is in progress, and the ledger how it ended: it
    distinguishes the runs that succeeded, and records the end of those that could not do so
    themselves.

    Args:
        execution: An element of the response of `ListExecutions`, or the response of
            `DescribeExecution`. Empty if Step Functions no longer has the execution.
        item: The item of the run. Empty if the ledger has none.
    """
    run_id = execution.get("name") or str(item["id"]).partition("/")[2]
    return Run(
        run_id=run_id,
        batch=item.get("batch", ""),
        status=_get_status(execution.get("status", ""), item.get("status", "")),
        claimed_at=item.get("claimed_at", ""),
        started_at=execution.get("startDate") or parse_time(item.get("started_at")),
        ended_at=execution.get("stopDate") or parse_time(item.get("ended_at")),
        error=item.get("error", ""),
        cause=item.get("cause", ""),
    )


def _get_status(execution_status: str, recorded: str) -> str:
    if recorded in ENDED:
        return recorded
    if execution_status in {"RUNNING", "PENDING_REDRIVE"}:
        return RUNNING
    if execution_status == "SUCCEEDED":
        # The last state records the status before the execution ends. An item that does not have
        # it has expired, or belongs to an execution without the pipeline's states.
        return PUBLISHED
    return FAILED if execution_status else recorded or FAILED
