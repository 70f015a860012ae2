"""Read the mailbox of a local cloud, and confirm its pending SNS subscriptions."""

from __future__ import annotations

import email
import re
import ssl
import urllib.error
import urllib.request
from dataclasses import dataclass
from datetime import datetime
from email.policy import default
from http import HTTPStatus
from pathlib import Path

from local.cloud import Cloud

_CONFIRMATION_LINK = re.compile(r"^https://\S+Action=ConfirmSubscription\S*$", re.MULTILINE)
_TIMEOUT = 10  # seconds


@dataclass(frozen=True)
class Email:
    """An email in a mailbox, as its recipient reads it."""

    file: Path
    recipient: str
    subject: str
    sent_at: datetime
    body: str


def read_emails(mailbox_folder: Path) -> list[Email]:
    """Return the emails in a mailbox folder, oldest first.

    The list is empty if the folder does not exist.
    """
    return [_read(file) for file in sorted(mailbox_folder.glob("*.eml"))]


def confirm_subscriptions(cloud: Cloud) -> int:
    """Visit every confirmation link in the cloud's mailbox.

    As on AWS, SNS sends a topic's messages only to confirmed subscribers.

    Returns:
        The number of subscriptions that were not confirmed before.
    """
    emails = read_emails(cloud.mailbox_folder)
    links = [link for message in emails for link in _CONFIRMATION_LINK.findall(message.body)]
    tls_context = ssl.create_default_context(cafile=str(cloud.ca_bundle))
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=tls_context)
    )
    return sum(_visit(opener, link) for link in links)


def _visit(opener: urllib.request.OpenerDirector, link: str) -> bool:
    try:
        opener.open(link, timeout=_TIMEOUT).close()
    except urllib.error.HTTPError as error:
        if error.code != HTTPStatus.BAD_REQUEST:
            raise
        return False  # already confirmed: a link works only once
    return True


def _read(file: Path) -> Email:
    message = email.message_from_bytes(file.read_bytes(), policy=default)
    content = message.get_body()
    return Email(
        file=file,
        recipient=str(message["To"]),
        subject=str(message["Subject"]),
        sent_at=message["Date"].datetime,
        body=content.get_content().replace("\r\n", "\n") if content else "",
    )
