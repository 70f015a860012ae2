"""Consoles that keep what is printed."""

from __future__ import annotations

import io
from typing import Any

from rich.console import Console

from cli.console import PlainConsole


def create_console(**options: Any) -> Console:
    return PlainConsole(file=io.StringIO(), **options)


def get_output(console: Console) -> str:
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]
