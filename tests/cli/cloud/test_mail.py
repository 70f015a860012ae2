"""`./run mail`: which emails it shows, and how."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.__main__ import app
from cli.cloud.emails import show_emails
from local.errors import UserError
from local.extensions.sns import mailbox
from local.mailbox import Email, read_emails
from tests.support.console import create_console, get_output


def test_email_on_a_terminal_has_a_frame_with_its_file_name(tmp_path: Path) -> None:
    console = create_console(width=60, force_terminal=True, color_system=None)
    email = Email(tmp_path / "0001-news.eml", "a@b.org", "news", datetime.now(UTC), "text\n")
    show_emails([email], console)
    assert "0001-news.eml" in get_output(console)
    assert "Subject: news" in get_output(console)


def test_mail_shows_the_newest_emails_of_the_cloud_that_received_one_last(
    local_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, subjects in (("cloud", ["a"]), ("demo", ["b", "c", "d"])):
        monkeypatch.setenv("LOCAL_STATE", str(local_folder / name))
        for subject in subjects:
            mailbox.deliver_email("a@example.com", subject, f"text {subject}")
    assert len(read_emails(local_folder / "demo" / "mailbox")) == 3

    newest = CliRunner().invoke(app, ["mail"]).output
    assert "text d" in newest
    assert "text c" not in newest
    assert "use --all to show all 3 emails" in newest
    last_two = CliRunner().invoke(app, ["mail", "--last", "2"]).output
    assert last_two.index("text c") < last_two.index("text d")
    every = CliRunner().invoke(app, ["mail", "--all"]).output
    assert [every.find(f"text {name}") >= 0 for name in "abcd"] == [False, True, True, True]
    other = CliRunner().invoke(app, ["mail", "--cloud", "cloud"]).output
    assert "text a" in other
    unknown = CliRunner().invoke(app, ["mail", "--cloud", "x"])
    assert str(unknown.exception) == "local cloud 'x' has no mailbox: specify one of cloud, demo"


@pytest.mark.usefixtures("local_folder")
def test_mail_without_emails_says_which_commands_send_some() -> None:
    result = CliRunner().invoke(app, ["mail"])
    assert isinstance(result.exception, UserError)
    assert str(result.exception) == "no emails yet: start with ./run demo or ./run local up"
