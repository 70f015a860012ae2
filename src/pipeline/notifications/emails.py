"""Emails through the SNS topic: plain text, sent once for each event."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from aws_lambda_powertools.utilities.idempotency import (
    DynamoDBPersistenceLayer,
    IdempotencyConfig,
    idempotent_function,
)
from aws_lambda_powertools.utilities.idempotency.exceptions import (
    IdempotencyAlreadyInProgressError,
)
from aws_lambda_powertools.utilities.typing import LambdaContext
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_exponential_jitter

from pipeline.errors import RetryableError
from pipeline.ledger.keys import EXPIRATION, NOTIFICATION_PREFIX
from pipeline.ledger.table import LedgerTable

if TYPE_CHECKING:
    from types_boto3_sns import SNSClient

# SNS accepts subjects of fewer than 100 characters, all of them printable ASCII.
_MAX_SUBJECT_LENGTH = 99
_WAIT_FOR_OTHER_SECONDS = 20


@dataclass(frozen=True)
class Email:
    """An email: its subject, and its body in plain text."""

    subject: str
    body: str

    @property
    def sns_subject(self) -> str:
        """The subject as SNS accepts it: printable ASCII without accents, and not too long."""
        text = unicodedata.normalize("NFKD", " ".join(self.subject.split()))
        without_accents = (c for c in text if not unicodedata.combining(c))
        subject = "".join(c if c.isascii() and c.isprintable() else "?" for c in without_accents)
        is_short = len(subject) <= _MAX_SUBJECT_LENGTH
        return subject if is_short else f"{subject[: _MAX_SUBJECT_LENGTH - 3]}..."


class EmailSender:
    """Sends emails to a topic, and records in the ledger which notifications were sent.

    A notification is sent once, however often its event is repeated and however many functions
    handle it at the same time. It is sent twice only if the response of SNS is lost, or if the
    function crashes before it records the notification: the opposite order would lose an email.
    """

    def __init__(
        self,
        sns: SNSClient,
        topic_arn: str,
        ledger: LedgerTable,
        retention: timedelta,
        context: LambdaContext | None = None,
    ) -> None:
        """Create a sender.

        Args:
            sns: The client of SNS.
            topic_arn: ARN of the topic.
            ledger: The table that records the notifications.
            retention: Time for which a notification stays recorded.
            context: The context of the invocation. The time of its timeout is recorded, so that
                another invocation can send the email if this one crashes.
        """
        self._sns = sns
        self._topic_arn = topic_arn
        self._store = DynamoDBPersistenceLayer(
            table_name=ledger.name,
            key_attr="id",
            expiry_attr=EXPIRATION,
            boto3_client=ledger.dynamodb,
        )
        self._config = IdempotencyConfig(expires_after_seconds=int(retention.total_seconds()))
        if context is not None:
            self._config.register_lambda_context(context)

    def send_once(self, notification_key: str, email: Email) -> bool:
        """Send an email unless its notification was sent before.

        Args:
            notification_key: Identifies the notification (see `pipeline.ledger.keys`).
            email: The email to send.

        Returns:
            Whether the email was sent by this call.

        Raises:
            RetryableError: another invocation is sending this email, or crashed while doing so.
        """
        was_sent = False

        def send(notification_key: str) -> None:  # noqa: ARG001 - the idempotency key
            nonlocal was_sent
            self._sns.publish(
                TopicArn=self._topic_arn, Subject=email.sns_subject, Message=email.body
            )
            was_sent = True

        send_idempotently = idempotent_function(
            send,
            data_keyword_argument="notification_key",
            persistence_store=self._store,
            config=self._config,
            key_prefix=NOTIFICATION_PREFIX,
        )
        # Wait for another invocation that is sending this email, to be sure that it was sent.
        attempts = Retrying(
            retry=retry_if_exception_type(IdempotencyAlreadyInProgressError),
            wait=wait_exponential_jitter(multiplier=0.1, max=2),
            stop=stop_after_delay(_WAIT_FOR_OTHER_SECONDS),
            reraise=True,
        )
        try:
            attempts(lambda: send_idempotently(notification_key=notification_key))
        except IdempotencyAlreadyInProgressError as error:
            raise RetryableError(
                f"another invocation is sending the notification {notification_key!r}, or crashed"
                " while doing so"
            ) from error
        return was_sent
