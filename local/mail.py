"""The mailbox from the outside: what lies there, and following the link that SNS sends first."""

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

_LINK = re.compile(r"^https://\S+Action=ConfirmSubscription\S*$", re.MULTILINE)
_TIMEOUT = 10  # seconds


@dataclass(frozen=True)
class Mail:
    """One mail as its reader sees it."""

    file: Path
    recipient: str
    subject: str
    sent_at: datetime
    body: str


def read_mails(mailbox: Path) -> list[Mail]:
    """The mails of a mailbox, the newest last; none where there is no mailbox."""
    return [_read(file) for file in sorted(mailbox.glob("*.eml"))]


def confirm_subscriptions(cloud: Cloud) -> int:
    """Follow every link in the mailbox that confirms a subscription, as its reader would.

    How many were new. Without it the stack could tell nobody anything, as on AWS.
    """
    links = [link for mail in read_mails(cloud.mailbox) for link in _LINK.findall(mail.body)]
    trusted = ssl.create_default_context(cafile=str(cloud.ca_bundle))
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trusted)
    )
    return sum(_follow(opener, link) for link in links)


def _follow(opener: urllib.request.OpenerDirector, link: str) -> bool:
    try:
        opener.open(link, timeout=_TIMEOUT).close()
    except urllib.error.HTTPError as error:
        if error.code != HTTPStatus.BAD_REQUEST:
            raise
        return False  # followed before: a link works once
    return True


def _read(file: Path) -> Mail:
    message = email.message_from_bytes(file.read_bytes(), policy=default)
    content = message.get_body()
    return Mail(
        file=file,
        recipient=str(message["To"]),
        subject=str(message["Subject"]),
        sent_at=message["Date"].datetime,
        body=content.get_content().replace("\r\n", "\n") if content else "",
    )
