"""Showing mails on a terminal."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console
from rich.panel import Panel
from rich.text import Text

from local.mailbox import Email


def show_mails(mails: Iterable[Email], console: Console) -> None:
    """Print each mail whole, in the order given."""
    for mail in mails:
        head = Text.assemble(
            ("To:      ", "dim"), f"{mail.recipient}\n",
            ("Date:    ", "dim"), f"{mail.sent_at.astimezone():%Y-%m-%d %H:%M:%S}\n",
            ("Subject: ", "dim"), (mail.subject, "bold"),
        )  # fmt: skip
        text = Text.assemble(head, "\n\n", mail.body.rstrip())
        if console.is_terminal:
            console.print(Panel(text, title=mail.file.name, title_align="left"))
        else:  # whole lines, to be searched or sent on
            console.print(text, soft_wrap=True, end="\n\n")
