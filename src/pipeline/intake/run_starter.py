"""Turn complete batches into executions, however often and from wherever this is tried."""

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
        stepfunctions: The client of Step Functions.
        state_machine_arn: ARN of the state machine.
        ledger: The ledger of batches.
    """

    stepfunctions: SFNClient
    state_machine_arn: str
    ledger: BatchLedger

    def start_ready_runs(self, prefix: str) -> list[str]:
        """Claim a batch if it is complete, and start every claimed run of its prefix.

        A claim that fails was made by another function, or a newer upload arrived in between. The
        event of that upload leads here again. A run that cannot be started does not stop the
        others: its error is raised at the end.

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
        for run in batch.claimed:
            try:
                self._start(run)
                self.ledger.record_started(run)
            except Exception as error:  # noqa: BLE001 - raised when the others are started
                errors.append(error)
        if errors:
            raise errors[0]
        return [run.run_id for run in batch.claimed]

    def _start(self, run: Run) -> None:
        """Start the execution of a run. Its name makes a second start harmless."""
        try:
            self.stepfunctions.start_execution(
                stateMachineArn=self.state_machine_arn, name=run.run_id, input=run.execution_input
            )
        except ClientError as error:
            if error_code(error) != "ExecutionAlreadyExists":
                raise
