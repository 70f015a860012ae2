"""The construction of the email sender, which several functions share."""

from __future__ import annotations

from aws_lambda_powertools.utilities.typing import LambdaContext

from handlers.settings import EmailSettings
from pipeline.aws.clients import AwsClients
from pipeline.ledger.table import LedgerTable
from pipeline.notifications.emails import EmailSender


def create_email_sender(
    aws: AwsClients, settings: EmailSettings, ledger: LedgerTable, context: LambdaContext
) -> EmailSender:
    """Create the email sender for one invocation.

    Args:
        aws: The AWS clients of the function.
        settings: The settings of the function.
        ledger: The table that records the notifications.
        context: The context of the invocation.
    """
    return EmailSender(aws.sns, settings.topic_arn, ledger, settings.ledger_retention, context)
