"""Start claimed runs in the order of their claims, up to a maximum number of runs in progress."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from pipeline.aws.clients import error_code, is_temporary
from pipeline.ledger.batch import Run
from pipeline.ledger.batch_ledger import BatchLedger
from pipeline.ledger.run_slots import RunSlots

if TYPE_CHECKING:
    from types_boto3_stepfunctions import SFNClient


@dataclass(frozen=True)
class RunStarter:
    """Starts the executions of claimed runs. Repeated and concurrent attempts are harmless.

    Attributes:
        stepfunctions: The Step Functions client.
        state_machine_arn: ARN of the state machine.
        ledger: The ledger of batches.
        slots: The slots of the runs in progress.
    """

    stepfunctions: SFNClient
    state_machine_arn: str
    ledger: BatchLedger
    slots: RunSlots

    def start_waiting_runs(self, prefix: str | None = None) -> list[str]:
        """Start the runs that were claimed first, as long as slots are free.

        If a run cannot be started, the next ones are started before its error is raised.

        Args:
            prefix: A batch that was claimed just now. The index of open batches may not contain it
                yet.

        Returns:
            The IDs of the started runs.
        """
        claimed = self.ledger.get_batch(prefix).claimed_runs if prefix else ()
        runs_with_slot = self.slots.list_runs()
        can_start = self.slots.has_free_slot(runs_with_slot) or any(
            run.run_id in runs_with_slot for run in claimed
        )
        if prefix and not can_start:
            return []  # The watchdog takes care of the runs of other batches.
        started, errors = [], []
        for run in self._list_waiting_runs(claimed, runs_with_slot):
            if not self.slots.acquire(run.run_id):
                break
            try:
                self._start(run)
                started.append(run.run_id)
            except Exception as error:  # noqa: BLE001 - raised after the other runs are started
                errors.append(error)
                if is_temporary(error):
                    break  # The others would fail, too.
        if errors:
            raise errors[0]
        return started

    def _list_waiting_runs(
        self, claimed: tuple[Run, ...], runs_with_slot: frozenset[str]
    ) -> list[Run]:
        """Return the runs in the order of their claims, but first those that have a slot.

        A run has a slot and waits if an invocation crashed while it started the run.
        """
        runs = {run.run_id: run for run in claimed}
        for batch in self.ledger.list_open_batches():
            runs |= {run.run_id: run for run in batch.claimed_runs}
        return sorted(
            runs.values(),
            key=lambda run: (run.run_id not in runs_with_slot, run.claimed_at, run.run_id),
        )

    def _start(self, run: Run) -> None:
        """Start the execution of a run that has a slot, and record that it has started."""
        try:
            # While the execution runs, this has no effect: its name is the run ID.
            self.stepfunctions.start_execution(
                stateMachineArn=self.state_machine_arn, name=run.run_id, input=run.execution_input
            )
        except ClientError as error:
            # If the execution exists, it has ended. The next sweep makes sure that its end is
            # recorded and reported, and releases the slot.
            if error_code(error) != "ExecutionAlreadyExists":
                # A run that cannot be started must not block the runs behind it. After a temporary
                # error, such as a lost response, it may have started, and is started again first.
                if not is_temporary(error):
                    self.slots.release(run.run_id)
                raise
        self.ledger.record_started(run)
