"""Consoles that keep what is printed."""

from __future__ import annotations

import io
from typing import Any

from rich.console import Console


def create_console(**options: Any) -> Console:
    return Console(file=io.StringIO(), **options)


def get_output(console: Console) -> str:
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]
