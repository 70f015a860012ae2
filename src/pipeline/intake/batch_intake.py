"""The parts that lead from the files of a batch to its run, connected with each other."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from pipeline.aws.clients import AwsClients
from pipeline.intake.claiming import BatchClaimer
from pipeline.intake.file_recorder import FileRecorder
from pipeline.intake.reconciliation import BatchReconciler
from pipeline.intake.run_starter import RunStarter
from pipeline.ledger.batch_ledger import BatchLedger
from pipeline.ledger.run_slots import RunSlots
from pipeline.ledger.table import LedgerTable
from pipeline.notifications.emails import EmailSender


@dataclass(frozen=True)
class IntakeConfig:
    """The configuration of the intake.

    Attributes:
        bucket: Name of the data bucket.
        state_machine_arn: ARN of the state machine.
        max_concurrent_runs: Maximum number of runs in progress at the same time.
        max_upload_spread: Maximum time between the first and the last upload of a batch.
        stack: Name of the stack.
    """

    bucket: str
    state_machine_arn: str
    max_concurrent_runs: int
    max_upload_spread: timedelta
    stack: str


class BatchIntake:
    """The intake of one stack.

    Attributes:
        batches: The ledger of batches.
        slots: The slots of the runs in progress.
        recorder: Checks and records files.
        reconciler: Brings the ledger in line with S3.
        claimer: Claims complete batches.
        run_starter: Starts claimed runs.
    """

    def __init__(
        self, aws: AwsClients, table: LedgerTable, email_sender: EmailSender, config: IntakeConfig
    ) -> None:
        self.batches = BatchLedger(table)
        self.slots = RunSlots(table, config.max_concurrent_runs)
        self.recorder = FileRecorder(aws.s3, self.batches, email_sender)
        self.reconciler = BatchReconciler(aws.s3, config.bucket, self.batches, self.recorder)
        self.claimer = BatchClaimer(
            aws.s3,
            config.bucket,
            self.batches,
            config.max_upload_spread,
            email_sender,
            config.stack,
        )
        self.run_starter = RunStarter(
            aws.stepfunctions, config.state_machine_arn, self.batches, self.slots
        )
