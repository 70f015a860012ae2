"""Turning complete batches into executions, however often and from wherever it is tried."""

from __future__ import annotations

from botocore.exceptions import ClientError

from pipeline.aws.clients import client, error_code
from pipeline.ledger.batch import Run, new_run
from pipeline.ledger.batch_ledger import BatchLedger


def start_ready_runs(
    ledger: BatchLedger, prefix: str, state_machine_arn: str, now: str
) -> list[str]:
    """Claim the batch if its four files are there, and start every claimed run; the runs' ids.

    A run that cannot be started does not keep the others; its error is raised at the end.

    A claim that fails was made by another Lambda, or a better upload came in between, whose own
    event does the same as this.
    """
    batch = ledger.batch(prefix)
    if batch.is_complete:
        ledger.claim(new_run(prefix, batch.files, now), batch.files)
        batch = ledger.batch(prefix)
    troubles: list[Exception] = []
    for run in batch.claimed:
        try:
            _start(run, state_machine_arn)
            ledger.record_started(run)
        except Exception as error:  # noqa: BLE001 - raised when the others are started
            troubles.append(error)
    if troubles:
        raise troubles[0]
    return [run.run_id for run in batch.claimed]


def _start(run: Run, state_machine_arn: str) -> None:
    """Start the run's execution; its name makes a second start harmless."""
    try:
        client("stepfunctions").start_execution(
            stateMachineArn=state_machine_arn, name=run.run_id, input=run.execution_input
        )
    except ClientError as error:
        if error_code(error) != "ExecutionAlreadyExists":
            raise
