"""SNS's email as files, on MiniStack's own SNS in this process."""

from __future__ import annotations

import asyncio
import json
import re
import socketserver
import threading
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from local.extensions.sns import mailbox
from local.mail import Mail, read_mails
from tests.support.waiting import wait_until

ENDPOINT = "https://127.0.0.1:4566"
READER = "reader@example.com"


class Sns:
    """MiniStack's SNS with a topic of its own, called as over HTTP."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "mailbox"
        self.module = import_module("ministack.services.sns")
        answer = self.ask("CreateTopic", Name=folder.name)
        (self.topic,) = re.findall("<TopicArn>(.*)</TopicArn>", answer)

    def ask(self, action: str, **words: str) -> str:
        request = urlencode({"Action": action, **words}).encode()
        _, _, body = asyncio.run(self.module.handle_request("POST", "/", {}, request, {}))
        return str(body, "utf-8")

    def subscribe(self, endpoint: str = READER, **words: str) -> None:
        self.ask("Subscribe", TopicArn=self.topic, Protocol="email", Endpoint=endpoint, **words)

    def subscriptions(self) -> list[str]:
        answer = self.ask("ListSubscriptionsByTopic", TopicArn=self.topic)
        return re.findall("<SubscriptionArn>(.*?)</SubscriptionArn>", answer)

    def confirm(self) -> str:
        """Follow the link of the newest mail."""
        link = self.mails()[-1].body.splitlines()[-1]
        words = {name: values[0] for name, values in parse_qs(urlsplit(link).query).items()}
        return self.ask(words.pop("Action"), **words)

    def publish(self, message: str, **words: str) -> str:
        return self.ask("Publish", TopicArn=self.topic, Message=message, **words)

    def mails(self) -> list[Mail]:
        return read_mails(self.folder)


@pytest.fixture
def sns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sns:
    monkeypatch.setenv("LOCAL_STATE", str(tmp_path))
    monkeypatch.setenv("LOCAL_ENDPOINT", ENDPOINT)
    monkeypatch.delenv("LOCAL_SMTP", raising=False)
    mailbox.install()
    return Sns(tmp_path)


@pytest.fixture
def confirmed(sns: Sns) -> Sns:
    sns.subscribe()
    sns.confirm()
    return sns


def test_nothing_is_sent_before_the_link_is_followed(sns: Sns) -> None:
    sns.subscribe()
    sns.publish("too early")
    (mail,) = sns.mails()
    assert mail.subject == mailbox.CONFIRMATION
    assert mail.recipient == READER
    assert sns.topic in mail.body
    assert ENDPOINT in mail.body
    assert sns.subscriptions() == ["PendingConfirmation"]
    assert "PendingConfirmation" in sns.ask("ListSubscriptions")

    sns.confirm()
    (arn,) = sns.subscriptions()
    assert arn.startswith(sns.topic)
    sns.publish("in time")
    assert [mail.body.strip() for mail in sns.mails()[1:]] == ["in time"]


def test_subscribing_twice_asks_once(sns: Sns) -> None:
    sns.subscribe()
    sns.subscribe()
    assert len(sns.mails()) == 1


def test_a_stack_s_subscription_is_asked_too(sns: Sns) -> None:
    provisioners = import_module("ministack.services.cloudformation.provisioners")
    inline = [{"Protocol": "email", "Endpoint": READER}]
    arn, _ = provisioners._sns_create(
        "Topic", {"TopicName": f"{sns.folder.parent.name}-inline", "Subscription": inline}, "stack"
    )
    provisioners._sns_sub_create(
        "Subscription", {"TopicArn": arn, "Protocol": "email", "Endpoint": "b@example.com"}, "stack"
    )
    assert [mail.recipient for mail in sns.mails()] == [READER, "b@example.com"]
    assert all(arn in mail.body for mail in sns.mails())


def test_a_mail_is_plain_text_that_people_can_read_in_its_file(confirmed: Sns) -> None:
    body = "Umsatz Zürich: 16,200,620.00 €\n\n  a  b\nzwei\n"
    confirmed.publish(body, Subject="Rental KPIs 2026-11: 16,200,620.00 from 20,000 rentals")
    mail = confirmed.mails()[-1]
    assert mail.body == body
    assert mail.subject == "Rental KPIs 2026-11: 16,200,620.00 from 20,000 rentals"
    assert mail.file.name == "0002-Rental-KPIs-2026-11-16-200-620-00-from-20-000-rentals.eml"
    raw = mail.file.read_bytes()
    assert "Umsatz Zürich: 16,200,620.00 €".encode() in raw
    assert b'Content-Type: text/plain; charset="utf-8"' in raw
    assert b"\r\nTo: reader@example.com\r\n" in raw


def test_a_line_too_long_for_mail_arrives_whole(confirmed: Sns) -> None:
    confirmed.publish("é" * 5000)
    assert confirmed.mails()[-1].body.strip() == "é" * 5000
    longest = max(map(len, confirmed.mails()[-1].file.read_bytes().splitlines()))
    assert longest < 998


def test_a_long_subject_arrives_as_it_was(confirmed: Sns) -> None:
    subject = f"Rental KPIs {'x' * 40}: 16,200,620.00 from 20,080 rentals"
    confirmed.publish("text", Subject=subject)
    mail = confirmed.mails()[-1]
    assert mail.subject == subject
    assert f"Subject: {subject}\r\n" in mail.file.read_bytes().decode()


def test_mails_are_numbered_in_their_order(confirmed: Sns) -> None:
    for number in range(12):
        confirmed.publish(str(number), Subject=f"{99 - number}")
    assert [mail.body.strip() for mail in confirmed.mails()[1:]] == [str(n) for n in range(12)]


def test_everyone_confirmed_gets_a_mail_of_their_own(confirmed: Sns) -> None:
    confirmed.subscribe("other@example.com")
    confirmed.confirm()
    confirmed.subscribe("pending@example.com")
    confirmed.publish("news")
    assert [mail.recipient for mail in confirmed.mails()[-2:]] == [READER, "other@example.com"]


def test_filter_and_structure_are_heeded(sns: Sns) -> None:
    only_red = {
        "Attributes.entry.1.key": "FilterPolicy",
        "Attributes.entry.1.value": json.dumps({"colour": ["red"]}),
    }
    sns.subscribe(**only_red)
    sns.confirm()
    sns.publish("of no colour")
    red = {
        "MessageAttributes.entry.1.Name": "colour",
        "MessageAttributes.entry.1.Value.DataType": "String",
        "MessageAttributes.entry.1.Value.StringValue": "red",
    }
    text = json.dumps({"default": "others", "email": "readers"})
    sns.publish(text, MessageStructure="json", **red)
    assert [mail.body.strip() for mail in sns.mails()[1:]] == ["readers"]


@pytest.mark.parametrize("subject", ["x" * 100, "Zürich", "two\nlines", " space in front"])
def test_a_subject_that_aws_refuses_is_refused(confirmed: Sns, subject: str) -> None:
    answer = confirmed.publish("text", Subject=subject)
    assert "<Code>InvalidParameter</Code>" in answer
    assert "Invalid parameter: Subject" in answer
    assert len(confirmed.mails()) == 1


class _SmtpHandler(socketserver.StreamRequestHandler):
    """As much of a mail server as takes one mail."""

    def handle(self) -> None:
        self.wfile.write(b"220 ready\r\n")
        for line in self.rfile:
            word = line.strip().upper()
            if word == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                lines = list(iter(self.rfile.readline, b".\r\n"))
                self.server.mails.append(b"".join(lines))  # type: ignore[attr-defined]
            self.wfile.write(b"221 bye\r\n" if word == b"QUIT" else b"250 ok\r\n")


@pytest.fixture
def smtp() -> Iterator[Any]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _SmtpHandler) as server:
        server.mails = []  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_mail_server_gets_it_too(
    confirmed: Sns, smtp: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCAL_SMTP", f"127.0.0.1:{smtp.server_address[1]}")
    confirmed.publish("Zürich", Subject="news")
    assert wait_until(lambda: len(smtp.mails) == 1, limit=10)
    assert smtp.mails[0] == confirmed.mails()[-1].file.read_bytes()


def test_a_mail_server_that_is_not_there_keeps_nobody_from_publishing(
    confirmed: Sns, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("LOCAL_SMTP", "127.0.0.1:1")
    assert "<MessageId>" in confirmed.publish("text")
    assert len(confirmed.mails()) == 2
    assert wait_until(lambda: "was not sent to 127.0.0.1:1" in caplog.text, limit=10)
