"""Store the emails of SNS as `.eml` files in the mailbox folder.

If `LOCAL_SMTP=host:port` is set, each email is also sent to that SMTP server. As on AWS, a new
subscription is pending: SNS sends a confirmation link to the address, and nothing else until the
recipient visits the link. Subjects that AWS rejects are rejected. Emails lack the footer in which
AWS offers to unsubscribe.
"""

from __future__ import annotations

import logging
import os
import re
import smtplib
import threading
from collections.abc import Mapping
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

from local.extensions.patching.patches import replace, resolve
from local.extensions.patching.responses import Response

CONFIRMATION_SUBJECT = "AWS Notification - Subscription Confirmation"
_SNS = "ministack.services.sns"
_SENDER = "AWS Notifications (local) <no-reply@sns.localhost>"
_DEFAULT_SUBJECT = "AWS Notification Message"
_VALID_SUBJECT = re.compile(r"[\x20-\x7e]{1,99}")
_MAX_LINE_BYTES = 998  # RFC 5322
# Keeps a subject, which is shorter, on one line: Python reads a folded one with an extra space.
_POLICY = SMTP.clone(max_line_length=_MAX_LINE_BYTES)
_SMTP_TIMEOUT = 10  # seconds
_MAX_SLUG_LENGTH = 60

_log = logging.getLogger(__name__)
_file_number_lock = threading.Lock()


def install() -> None:
    """Replace the functions that store subscriptions, publish messages, and list subscriptions."""
    resolve(_SNS, "_find_subscription", ("topic_arn", "sub_arn"))
    resolve(_SNS, "_matches_filter_policy", ("sub", "message_attributes", "message"))
    resolve(_SNS, "_resolve_message_for_protocol", ("message", "message_structure", "protocol"))
    # Subscribe and both CloudFormation resource types add each new subscription to this dict.
    replace(_SNS, "_sub_arn_to_topic", _confirming(resolve(_SNS, "_sub_arn_to_topic")))

    def fan_out(
        topic_arn: str,
        msg_id: str,
        message: str,
        subject: str,
        message_structure: str = "",
        message_attributes: Mapping[str, Any] | None = None,
        message_group_id: str = "",
        message_dedup_id: str = "",
    ) -> None:
        _check_subject(subject)
        attributes = message_attributes or {}
        original_fan_out(
            topic_arn,
            msg_id,
            message,
            subject,
            message_structure,
            attributes,
            message_group_id,
            message_dedup_id,
        )
        for subscription in _get_confirmed_subscriptions(topic_arn):
            text = resolve(_SNS, "_resolve_message_for_protocol")(
                message, message_structure, "email"
            )
            if resolve(_SNS, "_matches_filter_policy")(subscription, attributes, text):
                deliver_email(subscription["endpoint"], subject or _DEFAULT_SUBJECT, text)

    original_fan_out = replace(
        _SNS,
        "_fanout",
        fan_out,
        (
            "topic_arn",
            "msg_id",
            "message",
            "subject",
            "message_structure",
            "message_attributes",
            "message_group_id",
            "message_dedup_id",
        ),
    )

    def list_subscriptions(params: Mapping[str, Any]) -> Any:
        return _hide_pending_arns(original_list(params))

    def list_subscriptions_by_topic(params: Mapping[str, Any]) -> Any:
        return _hide_pending_arns(original_list_by_topic(params))

    original_list = replace(_SNS, "_list_subscriptions", list_subscriptions, ("params",))
    original_list_by_topic = replace(
        _SNS, "_list_subscriptions_by_topic", list_subscriptions_by_topic, ("params",)
    )


def deliver_email(address: str, subject: str, text: str) -> Path:
    """Store an email in the mailbox, and send it to the SMTP server if `LOCAL_SMTP` is set.

    Returns:
        The file in the mailbox.
    """
    message = EmailMessage(policy=_POLICY)
    message["From"] = _SENDER
    message["To"] = address
    message["Subject"] = subject
    message["Date"] = formatdate(localtime=True)
    message["Message-ID"] = f"<{uuid4()}@sns.localhost>"
    longest_line = max((len(line.encode()) for line in text.splitlines()), default=0)
    # Without an encoding, people can read the file. Only an overlong line requires one.
    encoding = "8bit" if longest_line <= _MAX_LINE_BYTES else "quoted-printable"
    message.set_content(text, charset="utf-8", cte=encoding)
    file = _write(Path(os.environ["LOCAL_STATE"]) / "mailbox", message)
    server = os.environ.get("LOCAL_SMTP")
    if server:
        # In a thread, so that the publisher does not wait for the SMTP server.
        threading.Thread(target=_send, args=(server, message), daemon=True).start()
    return file


def _write(mailbox_folder: Path, message: EmailMessage) -> Path:
    slug = re.sub(r"[^A-Za-z0-9]+", "-", message["Subject"])[:_MAX_SLUG_LENGTH].strip("-")
    with _file_number_lock:
        mailbox_folder.mkdir(parents=True, exist_ok=True)
        numbers = [int(file.name.partition("-")[0]) for file in mailbox_folder.glob("[0-9]*-*.eml")]
        file = mailbox_folder / f"{max(numbers, default=0) + 1:04}-{slug}.eml"
        temporary_file = file.with_suffix(".new")
        temporary_file.write_bytes(message.as_bytes())
        temporary_file.rename(file)  # a reader of the mailbox sees only complete emails
    return file


def _send(server: str, message: EmailMessage) -> None:
    host, _, port = server.rpartition(":")
    try:
        with smtplib.SMTP(host, int(port), timeout=_SMTP_TIMEOUT) as smtp:
            smtp.send_message(message)
    except (OSError, ValueError, smtplib.SMTPException) as error:
        _log.warning("could not send the email %r to %s: %s", message["Subject"], server, error)


def _check_subject(subject: str | None) -> None:
    """Raise MiniStack's error unless the subject satisfies the rules of Publish.

    It must be one line of ASCII with fewer than 100 characters, and must not begin with a space.
    """
    if subject and (not _VALID_SUBJECT.fullmatch(subject) or subject.startswith(" ")):
        raise resolve(_SNS, "SnsPublishError")("InvalidParameter", "Invalid parameter: Subject")


def _confirming(subscriptions: Any) -> Any:
    """Return a copy of MiniStack's subscriptions that requests confirmation of each new one."""
    original_class = type(subscriptions)
    if original_class.__module__ == __name__:
        return subscriptions

    def set_item(self: Any, subscription_arn: str, topic_arn: str) -> None:
        original_class.__setitem__(self, subscription_arn, topic_arn)
        subscription = resolve(_SNS, "_find_subscription")(topic_arn, subscription_arn)
        if subscription and subscription["protocol"] == "email":
            _request_confirmation(subscription)

    members = {"__slots__": (), "__module__": __name__, "__setitem__": set_item}
    confirming = type("ConfirmingSubscriptions", (original_class,), members)()
    confirming.update(subscriptions)
    return confirming


def _request_confirmation(subscription: dict[str, Any]) -> None:
    topic_arn, token = subscription["topic_arn"], uuid4().hex
    subscription |= {"confirmed": False, "token": token}
    subscription["attributes"] |= {"PendingConfirmation": "true"}
    query = {"Action": "ConfirmSubscription", "TopicArn": topic_arn, "Token": token}
    deliver_email(
        subscription["endpoint"],
        CONFIRMATION_SUBJECT,
        f"You have chosen to subscribe to the topic:\n{topic_arn}\n\n"
        "To confirm this subscription, visit the link below. If this was in error, no action is"
        f" necessary.\n\n{os.environ['LOCAL_ENDPOINT']}/?{urlencode(query)}\n",
    )


def _get_confirmed_subscriptions(topic_arn: str) -> list[dict[str, Any]]:
    """Return the confirmed email subscriptions of a topic."""
    topic = resolve(_SNS, "_topic_by_arn_any_scope", ("topic_arn",))(topic_arn)
    return [
        subscription
        for subscription in (topic["subscriptions"] if topic else [])
        if subscription["protocol"] == "email" and subscription["confirmed"]
    ]


def _hide_pending_arns(response: Response) -> Response:
    """Replace the ARN of each pending subscription in a list, as AWS does."""
    status, headers, body = response

    def replace_if_pending(match: re.Match[bytes]) -> bytes:
        arn = match[1].decode()
        topic_arn = resolve(_SNS, "_sub_arn_to_topic").get(arn, "")
        subscription = resolve(_SNS, "_find_subscription")(topic_arn, arn)
        if subscription is None or subscription["confirmed"]:
            return match[0]
        return b"<SubscriptionArn>PendingConfirmation</SubscriptionArn>"

    pattern = rb"<SubscriptionArn>([^<]*)</SubscriptionArn>"
    return status, headers, re.sub(pattern, replace_if_pending, body)
