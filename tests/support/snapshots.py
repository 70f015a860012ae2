"""The emails that the tests compare with: one file each in `tests/emails/`, as readers see them.

`docs/emails.md` shows the same files. To write them again after a change, run the tests with
`UPDATE_EMAILS=1`, and read the difference.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from pipeline.notifications.emails import Email

EMAILS = Path(__file__).resolve().parents[1] / "emails"
MAX_LINE_LENGTH = 44


def check_email(name: str, email: Email) -> None:
    """Compare an email with its snapshot, and check the rules of all emails.

    Args:
        name: Name of the file in `tests/emails/`, without its suffix.
        email: The email.
    """
    check_lines(email)
    file = EMAILS / f"{name}.txt"
    text = f"Subject: {email.sns_subject}\n\n{email.sns_message}"
    if os.environ.get("UPDATE_EMAILS"):
        file.write_text(text, "utf-8")
    assert text == file.read_text("utf-8")


def check_lines(email: Email) -> None:
    """Check that an email fits a phone: links and commands are the only longer lines."""
    assert len(email.sns_subject) < 100
    assert email.sns_subject.isascii()
    assert "X-Amz-" not in email.body  # a presigned link
    for line in email.body.splitlines():
        is_link_or_command = "./run " in line or re.search(r"(https|s3)://", line)
        assert len(line) <= MAX_LINE_LENGTH or is_link_or_command, line
    assert email.body.endswith("\n")
    assert "\n\n\n" not in email.body


def unfold(body: str) -> str:
    """Return the text of an email in one line, without the marks of its quotations."""
    return " ".join(re.sub(r"\n(> )?", " ", f"\n{body}").split())
