"""The console that every command writes to."""

from __future__ import annotations

import typer
from rich.console import Console

console = Console()


def print_message(text: str) -> None:
    """Print warnings or errors to stderr, each line with the name of the program."""
    for line in text.splitlines():
        typer.echo(f"run: {line}", err=True)
