"""Tests of SNS email with MiniStack's own SNS in this process."""

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
from local.mailbox import Email, read_emails
from tests.support.waiting import wait_until

ENDPOINT = "https://127.0.0.1:4566"
ADDRESS = "reader@example.com"


class Sns:
    """A topic of MiniStack's SNS, which is called as over HTTP."""

    def __init__(self, folder: Path) -> None:
        self.mailbox_folder = folder / "mailbox"
        self.topic_name = folder.name
        self.module = import_module("ministack.services.sns")
        response = self.call("CreateTopic", Name=self.topic_name)
        (self.topic_arn,) = re.findall("<TopicArn>(.*)</TopicArn>", response)

    def call(self, action: str, **parameters: str) -> str:
        request = urlencode({"Action": action, **parameters}).encode()
        _, _, body = asyncio.run(self.module.handle_request("POST", "/", {}, request, {}))
        return str(body, "utf-8")

    def subscribe(self, address: str = ADDRESS, **parameters: str) -> None:
        self.call(
            "Subscribe", TopicArn=self.topic_arn, Protocol="email", Endpoint=address, **parameters
        )

    def list_subscriptions(self) -> list[str]:
        response = self.call("ListSubscriptionsByTopic", TopicArn=self.topic_arn)
        return re.findall("<SubscriptionArn>(.*?)</SubscriptionArn>", response)

    def confirm(self) -> str:
        """Visit the link in the newest email."""
        link = self.read_emails()[-1].body.splitlines()[-1]
        query = {name: values[0] for name, values in parse_qs(urlsplit(link).query).items()}
        return self.call(query.pop("Action"), **query)

    def publish(self, message: str, **parameters: str) -> str:
        return self.call("Publish", TopicArn=self.topic_arn, Message=message, **parameters)

    def read_emails(self) -> list[Email]:
        return read_emails(self.mailbox_folder)


@pytest.fixture
def sns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sns:
    monkeypatch.setenv("LOCAL_STATE", str(tmp_path))
    monkeypatch.setenv("LOCAL_ENDPOINT", ENDPOINT)
    monkeypatch.delenv("LOCAL_SMTP", raising=False)
    mailbox.install()
    return Sns(tmp_path)


@pytest.fixture
def confirmed_sns(sns: Sns) -> Sns:
    sns.subscribe()
    sns.confirm()
    return sns


def test_nothing_is_sent_before_subscription_is_confirmed(sns: Sns) -> None:
    sns.subscribe()
    sns.publish("too early")
    (email,) = sns.read_emails()
    assert email.subject == mailbox.CONFIRMATION_SUBJECT
    assert email.recipient == ADDRESS
    assert sns.topic_arn in email.body
    assert ENDPOINT in email.body
    assert sns.list_subscriptions() == ["PendingConfirmation"]
    assert "PendingConfirmation" in sns.call("ListSubscriptions")

    sns.confirm()
    (arn,) = sns.list_subscriptions()
    assert arn.startswith(sns.topic_arn)
    sns.publish("in time")
    assert [email.body.strip() for email in sns.read_emails()[1:]] == ["in time"]


def test_repeated_subscription_sends_one_confirmation(sns: Sns) -> None:
    sns.subscribe()
    sns.subscribe()
    assert len(sns.read_emails()) == 1


def test_subscriptions_of_stack_must_be_confirmed(sns: Sns) -> None:
    provisioners = import_module("ministack.services.cloudformation.provisioners")
    inline = [{"Protocol": "email", "Endpoint": ADDRESS}]
    arn, _ = provisioners._sns_create(
        "Topic", {"TopicName": f"{sns.topic_name}-inline", "Subscription": inline}, "stack"
    )
    provisioners._sns_sub_create(
        "Subscription", {"TopicArn": arn, "Protocol": "email", "Endpoint": "b@example.com"}, "stack"
    )
    assert [email.recipient for email in sns.read_emails()] == [ADDRESS, "b@example.com"]
    assert all(arn in email.body for email in sns.read_emails())


def test_email_file_is_readable_plain_text(confirmed_sns: Sns) -> None:
    body = "Umsatz Zürich: 16,200,620.00 €\n\n  a  b\nzwei\n"
    subject = "Rental KPIs 2026-11: revenue 16,200.00 from 20 rentals"
    confirmed_sns.publish(body, Subject=subject)
    email = confirmed_sns.read_emails()[-1]
    assert email.body == body
    assert email.subject == subject
    name = "0002-Rental-KPIs-2026-11-revenue-16-200-00-from-20-rentals.eml"
    assert email.file.name == name
    content = email.file.read_bytes()
    assert "Umsatz Zürich: 16,200,620.00 €".encode() in content
    assert b'Content-Type: text/plain; charset="utf-8"' in content
    assert b"\r\nTo: reader@example.com\r\n" in content


def test_overlong_line_is_complete_after_decoding(confirmed_sns: Sns) -> None:
    confirmed_sns.publish("é" * 5000)
    email = confirmed_sns.read_emails()[-1]
    assert email.body.strip() == "é" * 5000
    longest_line = max(map(len, email.file.read_bytes().splitlines()))
    assert longest_line < 998


def test_long_subject_is_not_folded(confirmed_sns: Sns) -> None:
    subject = f"Rental KPIs {'x' * 40}: revenue 16,200,620.00 from 20,080 rentals"
    confirmed_sns.publish("text", Subject=subject)
    email = confirmed_sns.read_emails()[-1]
    assert email.subject == subject
    assert f"Subject: {subject}\r\n" in email.file.read_bytes().decode()


def test_emails_are_numbered_in_order(confirmed_sns: Sns) -> None:
    for number in range(12):
        confirmed_sns.publish(str(number), Subject=f"{99 - number}")
    bodies = [email.body.strip() for email in confirmed_sns.read_emails()[1:]]
    assert bodies == [str(number) for number in range(12)]


def test_each_confirmed_subscriber_receives_one_email(confirmed_sns: Sns) -> None:
    confirmed_sns.subscribe("other@example.com")
    confirmed_sns.confirm()
    confirmed_sns.subscribe("pending@example.com")
    confirmed_sns.publish("news")
    recipients = [email.recipient for email in confirmed_sns.read_emails()[-2:]]
    assert recipients == [ADDRESS, "other@example.com"]


def test_filter_policy_and_message_structure_are_applied(sns: Sns) -> None:
    only_red = {
        "Attributes.entry.1.key": "FilterPolicy",
        "Attributes.entry.1.value": json.dumps({"color": ["red"]}),
    }
    sns.subscribe(**only_red)
    sns.confirm()
    sns.publish("without a color")
    red = {
        "MessageAttributes.entry.1.Name": "color",
        "MessageAttributes.entry.1.Value.DataType": "String",
        "MessageAttributes.entry.1.Value.StringValue": "red",
    }
    text = json.dumps({"default": "for other protocols", "email": "for email"})
    sns.publish(text, MessageStructure="json", **red)
    assert [email.body.strip() for email in sns.read_emails()[1:]] == ["for email"]


@pytest.mark.parametrize("subject", ["x" * 100, "Zürich", "two\nlines", " leading space"])
def test_invalid_subject_is_rejected(confirmed_sns: Sns, subject: str) -> None:
    response = confirmed_sns.publish("text", Subject=subject)
    assert "<Code>InvalidParameter</Code>" in response
    assert "Invalid parameter: Subject" in response
    assert len(confirmed_sns.read_emails()) == 1


class SmtpHandler(socketserver.StreamRequestHandler):
    """The part of an SMTP server that is needed to receive one email."""

    def handle(self) -> None:
        self.wfile.write(b"220 ready\r\n")
        for line in self.rfile:
            command = line.strip().upper()
            if command == b"DATA":
                self.wfile.write(b"354 continue\r\n")
                lines = list(iter(self.rfile.readline, b".\r\n"))
                self.server.received.append(b"".join(lines))  # type: ignore[attr-defined]
            self.wfile.write(b"221 bye\r\n" if command == b"QUIT" else b"250 ok\r\n")


@pytest.fixture
def smtp_server() -> Iterator[Any]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), SmtpHandler) as server:
        server.received = []  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_email_is_also_sent_to_smtp_server(
    confirmed_sns: Sns, smtp_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCAL_SMTP", f"127.0.0.1:{smtp_server.server_address[1]}")
    confirmed_sns.publish("Zürich", Subject="news")
    assert wait_until(lambda: len(smtp_server.received) == 1, timeout=10)
    assert smtp_server.received[0] == confirmed_sns.read_emails()[-1].file.read_bytes()


def test_unreachable_smtp_server_does_not_fail_publish(
    confirmed_sns: Sns, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("LOCAL_SMTP", "127.0.0.1:1")
    assert "<MessageId>" in confirmed_sns.publish("text")
    assert len(confirmed_sns.read_emails()) == 2
    assert wait_until(lambda: "could not send the email" in caplog.text, timeout=10)
    assert "to 127.0.0.1:1: " in caplog.text
