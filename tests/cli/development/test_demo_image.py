"""The image of the demo: what a terminal shows at the end."""

from __future__ import annotations

import sys
from xml.parsers import expat

import pytest

from cli.development.demo_image import IMAGE, render_svg, replay, run_in_terminal, shorten
from local.errors import UserError


def test_replay_keeps_only_the_last_frame_of_a_live_display() -> None:
    output = "title\r\nfirst 1\r\nsecond 1\r\x1b[2K\x1b[1A\x1b[2Kfirst 2\r\nsecond 2\r\nend\r\n"
    assert replay(output) == ["title", "first 2", "second 2", "end"]


def test_replay_drops_the_cursor_and_keeps_colors() -> None:
    output = "\x1b[?25l\x1b[32mgreen\x1b[0m\r\x1b[2K\x1b[?25h\x1b[31mred\x1b[0m"
    assert replay(output) == ["\x1b[31mred\x1b[0m"]


def test_replay_drops_blank_lines_at_the_end() -> None:
    assert replay("a\n\n\x1b[0m\n") == ["a"]


def test_long_output_is_cut_at_a_blank_line() -> None:
    lines = ["1", "2", " ", "4", "5", "6"]
    assert shorten(lines, 5) == ["1", "2", "", "... and 4 more lines"]
    assert shorten(lines, 6) == lines


def test_image_is_valid_and_loads_nothing() -> None:
    image = render_svg(["\x1b[1mbold\x1b[0m <text>"], "title")
    text = _text(image)
    assert "bold <text>" in text
    assert "url(" not in image.replace("url(#", "")


def test_command_runs_in_a_terminal() -> None:
    code = "import sys; print(sys.stdout.isatty())"
    assert replay(run_in_terminal([sys.executable, "-c", code])) == ["True"]


def test_failed_command_is_reported_with_its_last_line() -> None:
    code = "import sys; sys.exit('no space left')"
    with pytest.raises(UserError, match="failed: no space left"):
        run_in_terminal([sys.executable, "-c", code])


def test_image_of_the_demo_shows_a_complete_run() -> None:
    text = _text(IMAGE.read_text(encoding="utf-8"))
    states = ["RecordStarted", "CreateCluster", "RunJobs", "TerminateCluster", "RecordPublished"]
    assert sorted(states, key=text.index) == states


def _text(image: str) -> str:
    """Return the text in an image, which must be valid XML."""
    parts: list[str] = []
    parser = expat.ParserCreate()
    parser.CharacterDataHandler = parts.append
    parser.Parse(image, True)
    return "".join(parts).replace("\N{NO-BREAK SPACE}", " ")
