"""Tests of the budget of emails: floods of notifications, failed attempts, and the summary."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from handlers.receive_upload import handler as receive_upload
from handlers.report_failure import handler as report_failure
from pipeline.clock import parse_utc, utc_now
from pipeline.ledger.batch import BatchFile
from pipeline.ledger.keys import run_published_notification
from pipeline.notifications.email_budget import (
    EMAILS_PER_HOUR,
    RETENTION,
    EmailBudget,
    SummaryEntry,
)
from pipeline.notifications.emails import Email, EmailSender
from pipeline.notifications.summary import send_due_summary
from tests.functional.conftest import Cloud, Context
from tests.support.aws_calls import Crash, crash_after, fail_calls, watch_calls
from tests.support.events import load_event, upload_event
from tests.support.pipeline_clock import PipelineClock
from tests.support.snapshots import unfold
from tests.support.watchdog import LONG_AGO, run_watchdog

# FLOOD_SIZE=300 repeats the measurement in docs/reliability.md.
COUNT = int(os.environ.get("FLOOD_SIZE", "60"))
START = "2026-11-24T08:10:00Z"
HOUR = "2026-11-24T08"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> type[PipelineClock]:
    return PipelineClock.install(monkeypatch, START)


@pytest.fixture
def sender(cloud: Cloud) -> EmailSender:
    return _create_sender(cloud)


@pytest.fixture
def budget(cloud: Cloud) -> EmailBudget:
    return EmailBudget(cloud.ledger)


def _create_sender(cloud: Cloud, remaining_ms: int = 300_000) -> EmailSender:
    context: Any = Context(remaining_ms=remaining_ms)
    sns = boto3.client("sns")
    return EmailSender(sns, cloud.topic_arn, cloud.ledger, timedelta(days=90), context)


def _send(sender: EmailSender, name: str, cause: str | None = None, detail: str = "new") -> bool:
    email = Email(f"Subject {name}", f"Body {name}\n")
    entry = SummaryEntry(email.subject, detail, utc_now())
    return sender.send_within_budget(f"key {name}", email, [entry], cause or f"cause {name}")


def _use_up(sender: EmailSender, cloud: Cloud) -> None:
    for number in range(EMAILS_PER_HOUR):
        _send(sender, f"earlier {number}")
    assert len(cloud.emails()) == EMAILS_PER_HOUR


def _upload(key: str, version: str) -> None:
    receive_upload(upload_event(key, "01", version, size=5), Context())


def _list_items(cloud: Cloud, prefix: str) -> Iterator[dict[str, Any]]:
    table: Any = boto3.resource("dynamodb").Table(cloud.table)
    for item in table.scan()["Items"]:
        if item["id"].startswith(prefix):
            yield item


# Floods


def test_flood_of_unknown_names_in_different_folders(
    cloud: Cloud, clock: type[PipelineClock]
) -> None:
    keys = [f"raw/folder-{number}/file.csv" for number in range(COUNT)]
    for key in keys:
        _upload(key, "v1")
    emails = cloud.emails()
    assert len(emails) == EMAILS_PER_HOUR
    clock.advance(hours=1, minutes=10)
    run_watchdog()
    ((subject, summary),) = cloud.emails()
    more = f"{COUNT - EMAILS_PER_HOUR} more notifications"
    assert subject == f"Summary: {more} between 2026-11-24 08:00 and 09:00 UTC"
    listed = set(re.findall(r"^> Unknown file: (.*)$", summary, re.M))
    assert {subject.partition(": ")[2] for subject, _ in emails} | listed == set(keys)
    run_watchdog()
    assert cloud.emails() == []


def test_flood_of_uploads_of_one_rejected_file(cloud: Cloud, clock: type[PipelineClock]) -> None:
    for number in range(COUNT):
        content = b"user_id\n1\n" if number == COUNT - 1 else b"x"
        version = cloud.put("raw/x/users.csv", content)
        event = upload_event("raw/x/users.csv", f"{number:06X}", version, len(content))
        assert receive_upload(event, Context())["outcome"] == "Rejected"
    assert len(cloud.emails()) == 1
    clock.advance(hours=1, minutes=10)
    run_watchdog()
    ((subject, summary),) = cloud.emails()
    assert subject.startswith(f"Summary: {COUNT - 1} more notifications")
    assert f" UTC ({COUNT - 1} times)\n> File rejected: raw/x/users.csv\n" in summary
    newest = cloud.batches.get_batch("raw/x/").rejected["users"]
    assert "missing" in newest.problems  # unlike those of the other versions
    assert newest.problems[:200] in unfold(summary)
    # In another hour, the file is reported again.
    clock.advance(hours=1)
    version = cloud.put("raw/x/users.csv", b"x")
    receive_upload(upload_event("raw/x/users.csv", "FFFFFF", version), Context())
    assert [subject for subject, _ in cloud.emails()] == ["File rejected: raw/x/users.csv"]


@pytest.mark.parametrize(("count", "is_budget_used"), [(COUNT, False), (30, True)])
def test_flood_of_overdue_batches(
    cloud: Cloud,
    clock: type[PipelineClock],
    sender: EmailSender,
    count: int,
    is_budget_used: bool,
) -> None:
    batches = [f"raw/batch-{number}/" for number in range(count)]
    for batch in batches:
        version = cloud.put(f"{batch}users.csv", b"x")
        file = BatchFile("users", f"{batch}users.csv", version, 1, "01", LONG_AGO)
        cloud.batches.record_valid(batch, file, LONG_AGO)
    if is_budget_used:
        _use_up(sender, cloud)
    assert sorted(run_watchdog()["incomplete_batches"]) == sorted(batches)
    if is_budget_used:
        assert cloud.emails() == []
        clock.advance(hours=1, minutes=10)
        assert run_watchdog()["incomplete_batches"] == []
    ((subject, body),) = cloud.emails()
    assert subject.startswith(
        "Summary: 30 more" if is_budget_used else f"{COUNT} batches incomplete"
    )
    prefix = "Batch incomplete: " if is_budget_used else ""
    assert all(f"> {prefix}{batch}\n" in body for batch in batches)
    assert "vehicles.csv, locations.csv, rental_transactions.csv missing" in unfold(body)
    if is_budget_used:  # with fewer batches, because a sweep calls AWS several times for each
        run_watchdog()
        assert cloud.emails() == []


@pytest.mark.usefixtures("clock")
def test_emails_about_runs_are_sent_when_budget_is_used_up(
    cloud: Cloud, sender: EmailSender
) -> None:
    _use_up(sender, cloud)
    assert report_failure(load_event("report_failure_before_cluster"), Context()) == {
        "email_sent": True
    }
    run_watchdog(load_event("status_aborted"))
    sender.send_once(run_published_notification("run-1"), Email("Rental KPIs", ""))
    subjects = [subject for subject, _ in cloud.emails()]
    assert len(subjects) == 3
    assert all(subject.startswith("Rental KPIs") for subject in subjects)


# The budget


def test_budget_is_shared_and_renewed_each_hour(
    cloud: Cloud, clock: type[PipelineClock], sender: EmailSender
) -> None:
    _use_up(sender, cloud)
    assert _send(sender, "a")
    assert cloud.emails() == []
    clock.advance(minutes=50)  # the next hour
    assert _send(sender, "b")
    assert not _send(sender, "b")
    assert not _send(sender, "a"), "the notification waits for the summary"
    assert [subject for subject, _ in cloud.emails()] == ["Subject b"]


def test_one_email_per_cause_and_hour(
    cloud: Cloud, clock: type[PipelineClock], sender: EmailSender
) -> None:
    for name in ("a", "b"):
        assert _send(sender, name, cause="c")
    assert [subject for subject, _ in cloud.emails()] == ["Subject a"]
    clock.advance(hours=1)
    assert _send(sender, "d", cause="c")
    assert [subject for subject, _ in cloud.emails()] == ["Subject d"]


@pytest.mark.usefixtures("clock")
def test_emails_of_concurrent_functions_are_spread_over_seconds(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SNS suspends an email subscription that receives more than ten messages in a second."""
    waits: list[float] = []
    monkeypatch.setattr("pipeline.notifications.emails.sleep", waits.append)
    for number in range(EMAILS_PER_HOUR):
        _send(_create_sender(cloud), str(number))
    # All invocations start at the same time, so they publish at these times.
    assert waits[0] == 0
    assert all(later - earlier > 1 / 5 for earlier, later in pairwise(waits))
    assert waits[-1] < 10


def test_reservations_of_concurrent_functions(
    budget: EmailBudget, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each function finds its own number, even if others reserve emails before it reads it."""
    others = iter(range(2, 30))

    def reserve_another(operation: str, *_: Any) -> None:
        if operation == "UpdateItem" and (number := next(others, None)):
            numbers.append(budget.reserve(f"key {number}", f"cause {number}", START))

    numbers: list[int | None] = []
    with monkeypatch.context() as patch:
        watch_calls(patch, reserve_another)
        numbers.append(budget.reserve("key 1", "cause 1", START))
    expected = {*range(1, EMAILS_PER_HOUR + 1)}
    assert {number for number in numbers if number} == expected
    assert len([number for number in numbers if number]) == EMAILS_PER_HOUR
    assert numbers[-1] == 1


# Failed attempts


@pytest.mark.usefixtures("clock")
def test_failed_email_is_sent_by_next_attempt_at_same_place(
    cloud: Cloud, sender: EmailSender, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        fail_calls(patch, "Publish")
        for _ in range(3):
            with pytest.raises(ClientError):
                _send(sender, "a")
    assert _send(sender, "a")
    for number in range(EMAILS_PER_HOUR):
        _send(sender, str(number))
    assert len(cloud.emails()) == EMAILS_PER_HOUR


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("is_budget_used", [False, True])
def test_crash_at_any_call_loses_no_notification(
    cloud: Cloud,
    budget: EmailBudget,
    monkeypatch: pytest.MonkeyPatch,
    is_budget_used: bool,
) -> None:
    if is_budget_used:
        _use_up(_create_sender(cloud), cloud)
    number = 0
    while True:
        number += 1
        sender = _create_sender(cloud, remaining_ms=-1)  # the lock of a crash expires at once
        with monkeypatch.context() as patch:
            operations = crash_after(patch, number)
            try:
                _send(sender, f"crash {number}")
                break
            except Crash:
                assert len(operations) == number
        _send(sender, f"crash {number}")
        entries = {entry.subject: entry for entry in budget.get_summary(HOUR).entries}
        sent = [subject for subject, _ in cloud.emails()]
        is_listed = f"Subject crash {number}" in entries
        is_sent = f"Subject crash {number}" in sent
        assert is_listed or is_sent
        assert is_listed == is_budget_used
        assert len(sent) <= 2
    assert number > 4


# The summary


def test_summary_is_sent_when_no_function_can_add_to_it(
    cloud: Cloud, clock: type[PipelineClock], sender: EmailSender
) -> None:
    _use_up(sender, cloud)
    _send(sender, "a")
    clock.advance(minutes=64)  # 09:14, and a function that began in the hour may still be running
    run_watchdog()
    assert cloud.emails() == []
    clock.advance(minutes=1)
    run_watchdog()
    ((subject, body),) = cloud.emails()
    assert subject == "Summary: 1 more notification between 2026-11-24 08:00 and 09:00 UTC"
    assert "1 notification between" in body
    assert "\n24 Nov 08:10 UTC\n> Subject a\n> new\n" in body


def test_one_summary_per_sweep_in_order(
    cloud: Cloud, clock: type[PipelineClock], sender: EmailSender
) -> None:
    for hour in range(3):
        _use_up_hour(sender, cloud, hour)
        clock.advance(hours=1)
    clock.advance(hours=1)
    for hour in (8, 9, 10):
        run_watchdog()
        ((subject, _),) = cloud.emails()
        assert f"2026-11-24 {hour:02}:00 and {hour + 1:02}:00" in subject
    run_watchdog()
    assert cloud.emails() == []


def _use_up_hour(sender: EmailSender, cloud: Cloud, hour: int) -> None:
    for number in range(EMAILS_PER_HOUR + 1):
        _send(sender, f"{hour} {number}")
    assert len(cloud.emails()) == EMAILS_PER_HOUR


def test_summary_is_sent_once_after_failures(
    cloud: Cloud, clock: type[PipelineClock], sender: EmailSender, monkeypatch: pytest.MonkeyPatch
) -> None:
    _use_up(sender, cloud)
    _send(sender, "a")
    clock.advance(hours=2)
    budget = EmailBudget(cloud.ledger)
    with monkeypatch.context() as patch:
        fail_calls(patch, "Publish")
        with pytest.raises(ClientError):
            send_due_summary(budget, sender, utc_now())
    assert send_due_summary(budget, sender, utc_now()) == HOUR
    assert len(cloud.emails()) == 1
    budget.add_to_summary(SummaryEntry("b", "", utc_now()), START)
    _reopen(cloud)
    assert send_due_summary(budget, sender, utc_now()) == HOUR
    assert cloud.emails() == [], "the summary was sent before its pages were closed"
    assert send_due_summary(budget, sender, utc_now()) is None


def _reopen(cloud: Cloud) -> None:
    """Open the pages again, as if the watchdog had crashed before it closed them."""
    for item in _list_items(cloud, f"email_budget/{HOUR}/"):
        boto3.resource("dynamodb").Table(cloud.table).put_item(Item={**item, "open": "summary"})


@pytest.mark.usefixtures("clock")
def test_items_expire_when_event_cannot_be_repeated(cloud: Cloud, sender: EmailSender) -> None:
    _use_up(sender, cloud)
    _send(sender, "a")
    budget_items = [*_list_items(cloud, "email_budget/")]
    assert len(budget_items) == 2
    for item in budget_items:
        assert int(item["expiration"]) == parse_utc(START).timestamp() + RETENTION.total_seconds()
    sender.send_once(run_published_notification("run-1"), Email("Rental KPIs", ""))
    expirations = sorted(int(item["expiration"]) for item in _list_items(cloud, "notification#"))
    # Powertools uses the real time.
    lifetimes = [timedelta(seconds=expiration - time.time()) for expiration in expirations]
    assert all(timedelta(days=14) < lifetime <= RETENTION for lifetime in lifetimes[:-1])
    assert lifetimes[-1] > timedelta(days=89)
