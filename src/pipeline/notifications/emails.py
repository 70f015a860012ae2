"""Emails through the SNS topic: plain text, sent once for each event."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from time import sleep
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

from contract.text import escape_control_characters
from pipeline.clock import utc_now
from pipeline.errors import RetryableError
from pipeline.ledger.keys import EXPIRATION, NOTIFICATION_PREFIX
from pipeline.ledger.table import LedgerTable
from pipeline.notifications.email_budget import RETENTION, EmailBudget, SummaryEntry

if TYPE_CHECKING:
    from types_boto3_sns import SNSClient

# SNS accepts subjects of fewer than 100 characters, all of them printable ASCII.
_MAX_SUBJECT_LENGTH = 99
_WAIT_FOR_OTHER_SECONDS = 20
# Functions that run at the same time can reserve all emails of an hour within a second, and SNS
# suspends a subscription that receives more than ten messages in a second.
_SECONDS_BETWEEN_BUDGETED_EMAILS = 0.25


@dataclass(frozen=True)
class Email:
    """An email: its subject, and its body in plain text.

    Whoever builds an email escapes the text of others where it is inserted. Later, a line break of
    this text can no longer be distinguished from one of ours.
    """

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

    @property
    def sns_message(self) -> str:
        """The body with line breaks as its only control characters."""
        return escape_control_characters(self.body, keep_line_breaks=True)

    def mark_as_test(self) -> Email:
        """Return the email with a subject that says that its run only verifies the deployment."""
        return Email(f"[Test] {self.subject}", self.body)


class EmailSender:
    """Sends emails to a topic, and records in the ledger which notifications were sent.

    A notification is sent once, however often its event is repeated and however many functions
    handle it at the same time. It is sent twice only if the response from SNS is lost, or if the
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
            sns: The SNS client.
            topic_arn: ARN of the topic.
            ledger: The table that records the notifications.
            retention: Time for which a notification about a run stays recorded.
            context: The context of the invocation. The time of its timeout is recorded, so that
                another invocation can send the email if this one crashes.
        """
        self._sns = sns
        self._topic_arn = topic_arn
        self._ledger = ledger
        self._retention = retention
        self._context = context
        self._budget = EmailBudget(ledger)

    def send_once(self, notification_key: str, email: Email) -> bool:
        """Send an email unless its notification was sent before.

        Only for emails whose number no uploader can increase: reports and failures of runs, and
        summaries.

        Args:
            notification_key: Identifies the notification (see `pipeline.ledger.keys`).
            email: The email to send.

        Returns:
            Whether the email was sent by this call.

        Raises:
            RetryableError: another invocation is sending this email, or crashed while doing so.
        """
        return self._do_once(notification_key, lambda: self._publish(email), self._retention)

    def send_within_budget(
        self, notification_key: str, email: Email, summary: Sequence[SummaryEntry], cause: str
    ) -> bool:
        """Send an email within the hourly budget, or else add its notification to the summary.

        Args:
            notification_key: Identifies the notification (see `pipeline.ledger.keys`).
            email: The email to send.
            summary: What the summary of the hour contains in place of the email.
            cause: At most one email in an hour is sent for each cause, such as the key of a file.

        Returns:
            Whether the notification is new: this call sent the email or added it to the summary.

        Raises:
            RetryableError: another invocation is handling this notification, or crashed while doing
                so.
        """

        def send_or_add_to_summary() -> None:
            now = utc_now()
            number = self._budget.reserve(notification_key, cause, now)
            if number is None:
                for entry in summary:
                    self._budget.add_to_summary(entry, now)
                return
            sleep((number - 1) * _SECONDS_BETWEEN_BUDGETED_EMAILS)
            self._publish(email)

        return self._do_once(notification_key, send_or_add_to_summary, RETENTION)

    def _publish(self, email: Email) -> None:
        self._sns.publish(
            TopicArn=self._topic_arn, Subject=email.sns_subject, Message=email.sns_message
        )

    def _do_once(
        self, notification_key: str, action: Callable[[], None], retention: timedelta
    ) -> bool:
        """Carry out an action unless it was completed for the notification before.

        Returns:
            Whether this call carried out the action.
        """
        was_done = False

        def act(notification_key: str) -> None:  # noqa: ARG001 - the idempotency key
            nonlocal was_done
            action()
            was_done = True

        act_idempotently = idempotent_function(
            act,
            data_keyword_argument="notification_key",
            persistence_store=self._create_store(),
            config=self._create_config(retention),
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
            attempts(lambda: act_idempotently(notification_key=notification_key))
        except IdempotencyAlreadyInProgressError as error:
            raise RetryableError(
                f"another invocation is sending the notification {notification_key!r}, or crashed"
                " while doing so"
            ) from error
        return was_done

    def _create_store(self) -> DynamoDBPersistenceLayer:
        """Create a store. It serves one notification, because it keeps its first configuration."""
        return DynamoDBPersistenceLayer(
            table_name=self._ledger.name,
            key_attr="id",
            expiry_attr=EXPIRATION,
            boto3_client=self._ledger.dynamodb,
        )

    def _create_config(self, retention: timedelta) -> IdempotencyConfig:
        config = IdempotencyConfig(expires_after_seconds=int(retention.total_seconds()))
        if self._context is not None:
            config.register_lambda_context(self._context)
        return config
