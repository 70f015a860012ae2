"""The construction of the intake, which several functions share."""

from __future__ import annotations

from datetime import timedelta

from handlers.settings import IntakeSettings
from pipeline.aws.clients import AwsClients
from pipeline.intake.batch_intake import BatchIntake, IntakeConfig
from pipeline.ledger.table import LedgerTable
from pipeline.notifications.emails import EmailSender


def create_intake(
    aws: AwsClients,
    settings: IntakeSettings,
    ledger: LedgerTable,
    email_sender: EmailSender,
) -> BatchIntake:
    """Create the intake for one invocation.

    Args:
        aws: The AWS clients of the function.
        settings: The settings of the function.
        ledger: The ledger's table.
        email_sender: Sends the emails about files and batches.
    """
    config = IntakeConfig(
        bucket=settings.bucket,
        state_machine_arn=settings.state_machine_arn,
        max_concurrent_runs=settings.max_concurrent_runs,
        max_upload_spread=timedelta(hours=settings.max_upload_spread_hours),
        stack=settings.stack,
    )
    return BatchIntake(aws, ledger, email_sender, config)
