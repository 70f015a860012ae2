"""The part of a sweep that is about batches: late events, claims, and missing files."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from random import SystemRandom

from pipeline.clock import parse_utc, utc_now
from pipeline.intake.batch_intake import BatchIntake
from pipeline.ledger.batch_item import Batch
from pipeline.recovery.incomplete_batches import IncompleteBatchReporter, is_overdue
from pipeline.recovery.sweep_result import SweepResult

# EventBridge drops an event that it could not deliver within 24 hours. Every upload is looked at in
# many of the hourly searches before it is older than this.
_LOST_UPLOAD_PERIOD = timedelta(days=2)
_MAX_ORDERED_BATCHES = 200
# The time for what a sweep does after the batches: starting runs, and sending emails.
_RESERVED_MS = 90_000


class BatchSweep:
    """Checks batches. An error about one batch does not stop the others."""

    def __init__(
        self,
        intake: BatchIntake,
        reporter: IncompleteBatchReporter,
        incomplete_batch_hours: float,
        ledger_retention: timedelta,
        result: SweepResult,
        get_remaining_ms: Callable[[], int] | None = None,
    ) -> None:
        self._intake = intake
        self._reporter = reporter
        self._incomplete_batch_hours = incomplete_batch_hours
        self._ledger_retention = ledger_retention
        self._result = result
        self._get_remaining_ms = get_remaining_ms
        self._overdue_batches: list[Batch] = []

    def check_open_batches(self) -> None:
        """Check every batch that waits for files or for the start of a run."""
        with self._result.record_problem("batches"):
            batches = self._intake.batches.list_open_batches()
            prefixes = [batch.prefix for batch in batches if not batch.is_only_queued]
            if len(prefixes) > _MAX_ORDERED_BATCHES:
                # If there is not enough time for all, each batch has its turn in some sweep.
                SystemRandom().shuffle(prefixes)
            for number, prefix in enumerate(prefixes):
                if not self._has_time():
                    self._result.unchecked_batches = len(prefixes) - number
                    break
                self._check(prefix)
        with self._result.record_problem("incomplete batches"):
            self._result.incomplete_batches += self._reporter.report_batches(self._overdue_batches)

    def _has_time(self) -> bool:
        return self._get_remaining_ms is None or self._get_remaining_ms() > _RESERVED_MS

    def check_lost_uploads(self) -> None:
        """Check every batch with a recent upload that is not in the ledger."""
        with self._result.record_problem("lost uploads"):
            since = parse_utc(utc_now()) - _LOST_UPLOAD_PERIOD
            for prefix in self._intake.reconciler.find_lost_uploads(since):
                self._check(prefix)

    def start_waiting_runs(self) -> None:
        """Start the claimed runs that a slot is free for."""
        with self._result.record_problem("waiting runs"):
            self._result.started_runs += self._intake.run_starter.start_waiting_runs()

    def _check(self, prefix: str) -> None:
        with self._result.record_problem(f"batch {prefix}", batch=prefix):
            self._intake.reconciler.reconcile(prefix)
            self._intake.claimer.claim_if_ready(prefix)
            batch = self._intake.batches.get_batch(prefix)
            if batch.is_idle:
                self._intake.batches.close(batch, utc_now(), self._ledger_retention)
            elif is_overdue(batch, self._incomplete_batch_hours, utc_now()):
                self._overdue_batches.append(batch)
