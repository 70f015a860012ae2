"""SNS's email: what goes to a subscriber lies as a `.eml` file in the mailbox folder.

`LOCAL_SMTP=host:port` sends it to a mail server as well. As on AWS a new subscription is pending:
its address is sent a link, and nothing else until somebody has followed that. Left out is AWS's
footer with a link to unsubscribe. A subject that AWS refuses is refused.
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

CONFIRMATION = "AWS Notification - Subscription Confirmation"
_SNS = "ministack.services.sns"
_SENDER = "AWS Notifications (local) <no-reply@sns.localhost>"
_NO_SUBJECT = "AWS Notification Message"
_SUBJECT = re.compile(r"[\x20-\x7e]{1,99}")
_LONGEST_LINE = 998  # bytes, RFC 5322
# Whole subjects, which are shorter: folded ones begin with a blank when they are read again.
_POLICY = SMTP.clone(max_line_length=_LONGEST_LINE)
_SMTP_TIMEOUT = 10  # seconds
_SLUG_LETTERS = 60

_log = logging.getLogger(__name__)
_numbering = threading.Lock()


def install() -> None:
    """Take the places where subscriptions are noted, written to and listed."""
    resolve(_SNS, "_find_subscription", ("topic_arn", "sub_arn"))
    resolve(_SNS, "_matches_filter_policy", ("sub", "message_attributes", "message"))
    resolve(_SNS, "_resolve_message_for_protocol", ("message", "message_structure", "protocol"))
    # Subscribe and both of CloudFormation's types note every new subscription there.
    replace(_SNS, "_sub_arn_to_topic", _watched(resolve(_SNS, "_sub_arn_to_topic")))

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
        more = (message_group_id, message_dedup_id)
        attributes = message_attributes or {}
        to_others(topic_arn, msg_id, message, subject, message_structure, attributes, *more)
        for subscription in _readers(topic_arn):
            text = resolve(_SNS, "_resolve_message_for_protocol")(
                message, message_structure, "email"
            )
            if resolve(_SNS, "_matches_filter_policy")(subscription, attributes, text):
                deliver(subscription["endpoint"], subject or _NO_SUBJECT, text)

    more_parameters = ("message_structure", "message_attributes", "message_group_id")
    to_others = replace(
        _SNS,
        "_fanout",
        fan_out,
        ("topic_arn", "msg_id", "message", "subject", *more_parameters, "message_dedup_id"),
    )

    def list_subscriptions(params: Mapping[str, Any]) -> Any:
        return _with_pending(list_all(params))

    def list_subscriptions_by_topic(params: Mapping[str, Any]) -> Any:
        return _with_pending(list_of_topic(params))

    list_all = replace(_SNS, "_list_subscriptions", list_subscriptions, ("params",))
    list_of_topic = replace(
        _SNS, "_list_subscriptions_by_topic", list_subscriptions_by_topic, ("params",)
    )


def deliver(address: str, subject: str, text: str) -> Path:
    """Write a mail into the mailbox, and send it where `LOCAL_SMTP` names a server; its file."""
    message = EmailMessage(policy=_POLICY)
    message["From"] = _SENDER
    message["To"] = address
    message["Subject"] = subject
    message["Date"] = formatdate(localtime=True)
    message["Message-ID"] = f"<{uuid4()}@sns.localhost>"
    longest = max((len(line.encode()) for line in text.splitlines()), default=0)
    # As it is, so that people can read the file: no encoding unless a line is too long for mail.
    encoding = "8bit" if longest <= _LONGEST_LINE else "quoted-printable"
    message.set_content(text, charset="utf-8", cte=encoding)
    file = _write(Path(os.environ["LOCAL_STATE"]) / "mailbox", message)
    server = os.environ.get("LOCAL_SMTP")
    if server:
        # Whoever publishes does not wait for the mail to arrive.
        threading.Thread(target=_send, args=(server, message), daemon=True).start()
    return file


def _write(mailbox: Path, message: EmailMessage) -> Path:
    slug = re.sub(r"[^A-Za-z0-9]+", "-", message["Subject"])[:_SLUG_LETTERS].strip("-")
    with _numbering:
        mailbox.mkdir(parents=True, exist_ok=True)
        numbers = [int(file.name.partition("-")[0]) for file in mailbox.glob("[0-9]*-*.eml")]
        file = mailbox / f"{max(numbers, default=0) + 1:04}-{slug}.eml"
        unfinished = file.with_suffix(".new")
        unfinished.write_bytes(message.as_bytes())
        unfinished.rename(file)  # whoever looks into the mailbox meets whole mails only
    return file


def _send(server: str, message: EmailMessage) -> None:
    host, _, port = server.rpartition(":")
    try:
        with smtplib.SMTP(host, int(port), timeout=_SMTP_TIMEOUT) as smtp:
            smtp.send_message(message)
    except (OSError, ValueError, smtplib.SMTPException) as error:
        _log.warning("the mail %r was not sent to %s: %s", message["Subject"], server, error)


def _check_subject(subject: str | None) -> None:
    """ASCII on one line, below 100 characters, no space in front: what Publish asks of it."""
    if subject and (not _SUBJECT.fullmatch(subject) or subject.startswith(" ")):
        raise resolve(_SNS, "SnsPublishError")("InvalidParameter", "Invalid parameter: Subject")


def _watched(noted: Any) -> Any:
    """The emulator's store of subscriptions, which asks each new address to confirm."""
    kind = type(noted)
    if kind.__module__ == __name__:
        return noted

    def note(self: Any, subscription_arn: str, topic_arn: str) -> None:
        kind.__setitem__(self, subscription_arn, topic_arn)
        subscription = resolve(_SNS, "_find_subscription")(topic_arn, subscription_arn)
        if subscription and subscription["protocol"] == "email":
            _ask_to_confirm(subscription)

    entries = {"__slots__": (), "__module__": __name__, "__setitem__": note}
    watched = type("WatchedSubscriptions", (kind,), entries)()
    watched.update(noted)
    return watched


def _ask_to_confirm(subscription: dict[str, Any]) -> None:
    topic_arn, token = subscription["topic_arn"], uuid4().hex
    subscription |= {"confirmed": False, "token": token}
    subscription["attributes"] |= {"PendingConfirmation": "true"}
    words = {"Action": "ConfirmSubscription", "TopicArn": topic_arn, "Token": token}
    deliver(
        subscription["endpoint"],
        CONFIRMATION,
        f"You have chosen to subscribe to the topic:\n{topic_arn}\n\n"
        "To confirm this subscription, visit the link below. If this was in error, no action is"
        f" necessary.\n\n{os.environ['LOCAL_ENDPOINT']}/?{urlencode(words)}\n",
    )


def _readers(topic_arn: str) -> list[dict[str, Any]]:
    """The topic's subscriptions by email that are confirmed."""
    topic = resolve(_SNS, "_topic_by_arn_any_scope", ("topic_arn",))(topic_arn)
    subscriptions = topic["subscriptions"] if topic else []
    return [some for some in subscriptions if some["protocol"] == "email" and some["confirmed"]]


def _with_pending(answer: tuple[int, Mapping[str, str], bytes]) -> tuple[int, Any, bytes]:
    """A list as AWS gives it, where a pending subscription has no ARN yet."""
    status, headers, body = answer

    def shown(match: re.Match[bytes]) -> bytes:
        arn = match[1].decode()
        topic_arn = resolve(_SNS, "_sub_arn_to_topic").get(arn, "")
        subscription = resolve(_SNS, "_find_subscription")(topic_arn, arn)
        if subscription is None or subscription["confirmed"]:
            return match[0]
        return b"<SubscriptionArn>PendingConfirmation</SubscriptionArn>"

    return status, headers, re.sub(rb"<SubscriptionArn>([^<]*)</SubscriptionArn>", shown, body)
