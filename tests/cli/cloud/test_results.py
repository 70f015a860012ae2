"""What a run on a local cloud has left: emails, and the locations of its files."""

from __future__ import annotations

from typing import Any

import pytest
from rich.console import Console

from cli.cloud.results import show_new_emails, show_output_locations
from local.extensions.sns import mailbox
from tests.support.console import get_output


def test_output_locations_show_object_counts(cloud: Any, console: Console) -> None:
    for key in ("raw/b/users.csv", "raw/b/vehicles.csv", "runs/r/kpis.json"):
        cloud.client("s3").put_object(Bucket=cloud.bucket, Key=key, Body=b"x")
    show_output_locations(cloud, cloud.bucket, console)
    assert f"  s3://{cloud.bucket}/raw/  2 objects\n" in get_output(console)
    assert f"  s3://{cloud.bucket}/runs/  1 object\n" in get_output(console)
    assert f"  Emails: {cloud.mailbox_folder}\n" in get_output(console)


def test_only_new_emails_about_the_run_are_shown(cloud: Any, console: Console) -> None:
    mailbox.deliver_email("a@example.com", "old", "run-1 before")
    mailbox.deliver_email("a@example.com", "other", "run-2")
    mailbox.deliver_email("a@example.com", "new", "run-1 after [bold]all[/bold]")
    emails = show_new_emails(cloud, "run-1", 1, console)
    assert [email.subject for email in emails] == ["new"]
    assert "before" not in get_output(console)
    assert "Subject: new\n\nrun-1 after [bold]all[/bold]\n" in get_output(console)


def test_email_about_another_batch_is_ignored(
    cloud: Any, console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cli.cloud.results._EMAIL_TIMEOUT", 0.5)
    mailbox.deliver_email("a@example.com", "other", "run-2")
    assert show_new_emails(cloud, "run-1", 0, console) == []
    assert "No email arrived within " in get_output(console)
    assert "run-2" not in get_output(console)
