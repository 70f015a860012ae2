"""Show emails on the console."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console
from rich.panel import Panel
from rich.text import Text

from contract.text import escape_control_characters
from local.mailbox import Email


def show_emails(emails: Iterable[Email], console: Console) -> None:
    """Print complete emails in the given order, each in a frame if the console is a terminal."""
    for email in emails:
        header = Text.assemble(
            ("To:      ", "dim"), f"{escape_control_characters(email.recipient)}\n",
            ("Date:    ", "dim"), f"{email.sent_at.astimezone():%Y-%m-%d %H:%M:%S}\n",
            ("Subject: ", "dim"), (escape_control_characters(email.subject), "bold"),
        )  # fmt: skip
        text = Text.assemble(header, "\n\n", email.body.rstrip())
        if console.is_terminal:
            console.print(Panel(text, title=Text(email.file.name), title_align="left"))
        else:  # without line breaks, so that other programs can search or forward it
            console.print(text, soft_wrap=True, end="\n\n")
