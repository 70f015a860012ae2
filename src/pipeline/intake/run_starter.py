"""Start the runs of complete batches. Repeated and concurrent attempts are harmless."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from pipeline.aws.clients import error_code
from pipeline.clock import utc_now
from pipeline.ledger.batch import Run, new_run
from pipeline.ledger.batch_ledger import BatchLedger

if TYPE_CHECKING:
    from types_boto3_stepfunctions import SFNClient


@dataclass(frozen=True)
class RunStarter:
    """Claims complete batches and starts the executions of claimed runs.

    Attributes:
        stepfunctions: The Step Functions client.
        state_machine_arn: ARN of the state machine.
        ledger: The ledger of batches.
    """

    stepfunctions: SFNClient
    state_machine_arn: str
    ledger: BatchLedger

    def start_ready_runs(self, prefix: str) -> list[str]:
        """Claim a batch if it is complete, and start every claimed run of its prefix.

        A claim fails if another function has already claimed the batch, or if a newer upload,
        whose own event starts the run, has just arrived. If a run cannot be started, the others are
        started before its error is raised.

        Args:
            prefix: The batch prefix.

        Returns:
            The IDs of the started runs.
        """
        batch = self.ledger.get_batch(prefix)
        if batch.is_complete:
            self.ledger.claim(new_run(prefix, batch.files, utc_now()), batch.files)
            batch = self.ledger.get_batch(prefix)
        errors: list[Exception] = []
        for run in batch.claimed_runs:
            try:
                self._start(run)
                self.ledger.record_started(run)
            except Exception as error:  # noqa: BLE001 - raised after the other runs are started
                errors.append(error)
        if errors:
            raise errors[0]
        return [run.run_id for run in batch.claimed_runs]

    def _start(self, run: Run) -> None:
        """Start the execution of a run, unless it exists: its name is the run ID."""
        try:
            self.stepfunctions.start_execution(
                stateMachineArn=self.state_machine_arn, name=run.run_id, input=run.execution_input
            )
        except ClientError as error:
            if error_code(error) != "ExecutionAlreadyExists":
                raise
