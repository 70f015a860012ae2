"""The console that every command writes to."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import typer
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from contract.text import escape_control_characters


class PlainConsole(Console):
    """A console that shows every text as it is, because it may come from a file or a key.

    No text is markup or the name of an emoji. Control and bidirectional-formatting characters are
    shown as escapes, so that no text can control the terminal. Line breaks are kept: text that has
    to stay in one line is escaped by the caller.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, emoji=False, highlight=False, **options)

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """Return the segments of a text, table, or other object to print.

        Control sequences of Rich itself, such as those that move the cursor, are segments of their
        own.
        """
        for segment in super().render(renderable, options):
            text, style, control = segment
            if control:
                yield segment
            else:
                yield Segment(escape_control_characters(text, keep_line_breaks=True), style)


console = PlainConsole()
error_console = PlainConsole(stderr=True)
"""For progress, if stdout is only for the result."""


def print_message(text: str) -> None:
    """Print warnings or errors to stderr, each line with the name of the program."""
    for line in text.splitlines():
        typer.echo(f"run: {escape_control_characters(line)}", err=True)
