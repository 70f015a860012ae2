"""`docs/images/demo.svg`: the beginning of the output of `./run demo`, as a terminal shows it."""

from __future__ import annotations

import os
import pty
import re
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import DIMMED_MONOKAI
from rich.text import Text

from local.errors import UserError

PROJECT = Path(__file__).resolve().parents[2]
IMAGE = PROJECT / "docs" / "images" / "demo.svg"

_COLUMNS = 100
_MAX_LINES = 50
_DEMO = ("./run", "demo")
# A control sequence of a terminal, such as `ESC [ 2 K`: its parameters and its final letter.
_CONTROL = re.compile(r"\x1b\[([?0-9;]*)([A-Za-z])")
_FONT_FACE = re.compile(r"\s*@font-face \{.*?\}", re.DOTALL)


def write_demo_image() -> None:
    """Run the demo and write what it prints to the image.

    Raises:
        UserError: The demo failed.
    """
    IMAGE.parent.mkdir(parents=True, exist_ok=True)
    lines = shorten(replay(run_in_terminal(_DEMO)), _MAX_LINES)
    IMAGE.write_text(render_svg(lines, " ".join(_DEMO)), encoding="utf-8")


def run_in_terminal(command: Sequence[str]) -> str:
    """Return everything that a command writes to a terminal, including control sequences.

    Raises:
        UserError: The command failed.
    """
    controller, terminal = pty.openpty()
    size = {"COLUMNS": str(_COLUMNS), "LINES": str(_MAX_LINES)}
    environment = os.environ | size | {"TERM": "xterm-256color"}
    with subprocess.Popen(
        command, cwd=PROJECT, env=environment, stdin=terminal, stdout=terminal, stderr=terminal
    ) as process:
        os.close(terminal)
        output = b"".join(_read_until_end(controller))
    os.close(controller)
    text = output.decode("utf-8", errors="replace")
    if process.returncode != 0:
        last_line = replay(text)[-1:]
        raise UserError(f"{' '.join(command)} failed: {''.join(last_line)}")
    return text


def replay(output: str) -> list[str]:
    """Return the lines that a terminal shows after it has received the output.

    Live displays move the cursor up and erase lines before they draw them again. Only what they
    drew last remains. Colors stay in the lines as control sequences.
    """
    lines, row = [""], 0
    for text, parameters, letter in _split(output.replace("\r", "")):
        for number, part in enumerate(text.split("\n")):
            row += 1 if number else 0
            lines += [""] * (row + 1 - len(lines))
            lines[row] += part
        if letter == "m":
            lines[row] += f"\x1b[{parameters}m"
        elif letter == "A":
            row = max(0, row - int(parameters or 1))
        elif letter == "K":
            lines[row] = ""
    while lines and _is_blank(lines[-1]):
        lines.pop()
    return lines


def shorten(lines: Sequence[str], limit: int) -> list[str]:
    """Return the lines up to the last blank line within the limit, and how many lines follow."""
    if len(lines) <= limit:
        return list(lines)
    end = max((row for row in range(limit) if _is_blank(lines[row])), default=limit)
    return [*lines[:end], "", f"... and {len(lines) - end} more lines"]


def render_svg(lines: Sequence[str], title: str) -> str:
    """Return an image of a terminal window that contains the lines."""
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        console = Console(record=True, width=_COLUMNS, file=nowhere)
        for line in lines:
            console.print(Text.from_ansi(line), overflow="fold")
        image = console.export_svg(title=title, theme=DIMMED_MONOKAI, unique_id="demo")
    # The fonts of the image would be loaded from another host; a viewer's own font works as well.
    return _FONT_FACE.sub("", image)


def _is_blank(line: str) -> bool:
    return not _CONTROL.sub("", line).strip()


def _split(output: str) -> Iterator[tuple[str, str, str]]:
    """Yield each text with the control sequence after it; empty strings after the last text."""
    position = 0
    for control in _CONTROL.finditer(output):
        yield output[position : control.start()], control[1], control[2]
        position = control.end()
    yield output[position:], "", ""


def _read_until_end(controller: int) -> Iterator[bytes]:
    """Yield what arrives at a terminal until no process has it open anymore."""
    while True:
        try:
            data = os.read(controller, 65536)
        except OSError:  # on Linux, this is how the end is reported
            return
        if not data:
            return
        yield data
