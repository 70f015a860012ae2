"""Mails through the SNS topic: plain text, one for each cause."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

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

from pipeline.aws.clients import client
from pipeline.errors import RetryableError

# SNS refuses a subject of 100 characters or more, and anything but printable ASCII.
_LONGEST_SUBJECT = 99
_REMEMBERED_SECONDS = 90 * 24 * 3600
_WAIT_FOR_OTHER_SECONDS = 20


@dataclass(frozen=True)
class Email:
    """What people are told; the subject is cut to what SNS takes."""

    subject: str
    body: str

    @property
    def sns_subject(self) -> str:
        words = unicodedata.normalize("NFKD", " ".join(self.subject.split()))
        bare = (letter for letter in words if not unicodedata.combining(letter))  # a for ä
        plain = "".join(c if c.isascii() and c.isprintable() else "?" for c in bare)
        fits = len(plain) <= _LONGEST_SUBJECT
        return plain if fits else f"{plain[: _LONGEST_SUBJECT - 3]}..."


class EmailSender:
    """Sends mails to a topic, and remembers in the ledger which causes have been told.

    A cause is told once, however often its event is repeated, and by however many Lambdas at a
    time. It is told twice only if SNS's answer is lost, or Lambda dies before it is noted: the
    other order would lose a mail instead.
    """

    def __init__(self, topic_arn: str, ledger_table: str, context: LambdaContext | None = None):
        self._topic_arn = topic_arn
        self._store = DynamoDBPersistenceLayer(
            table_name=ledger_table, key_attr="id", boto3_client=client("dynamodb")
        )
        self._config = IdempotencyConfig(expires_after_seconds=_REMEMBERED_SECONDS)
        if context is not None:
            # So that a try that died is known to be dead when its time has run out.
            self._config.register_lambda_context(context)

    def send_once(self, cause: str, mail: Email) -> bool:
        """Send the mail unless this cause has been told; whether it was sent now.

        RetryableError if another that began to send it neither ended nor ran out of time.
        """
        sent = False

        def send(cause: str) -> None:  # noqa: ARG001 - what the idempotency keeps
            nonlocal sent
            client("sns").publish(
                TopicArn=self._topic_arn, Subject=mail.sns_subject, Message=mail.body
            )
            sent = True

        once = idempotent_function(
            send,
            data_keyword_argument="cause",
            persistence_store=self._store,
            config=self._config,
            key_prefix="mail",
        )
        # Another Lambda is at it: wait to know that it was done.
        attempts = Retrying(
            retry=retry_if_exception_type(IdempotencyAlreadyInProgressError),
            wait=wait_exponential_jitter(multiplier=0.1, max=2),
            stop=stop_after_delay(_WAIT_FOR_OTHER_SECONDS),
            reraise=True,
        )
        try:
            attempts(lambda: once(cause=cause))
        except IdempotencyAlreadyInProgressError as error:
            raise RetryableError(f"another is telling {cause!r}, or died of it") from error
        return sent
