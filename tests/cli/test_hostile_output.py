"""Tests that no text from a file, a key, or an account is interpreted by Rich or by the terminal.

Whatever commands print is printed with texts that look like markup, emoji names, and control
sequences, both to a terminal and to a file.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.console import Console
from rich.control import strip_control_codes

import cli.jobs
from cli.check_results import fail, print_result
from cli.cloud.emails import show_emails
from cli.cloud.local_cloud import show_progress
from cli.console import print_message
from cli.runs.batch_names import build_batch_prefix
from cli.runs.live_view import PlainView, build_states_table
from cli.runs.states import State
from cli.summary import show_answers, show_counts
from contract.text import escape_control_characters, has_control_characters
from local.errors import UserError
from local.mailbox import Email
from local.report import StepRecorder
from local.spark.job_runner import JobsRequest, JobsResult, ProgressCallback
from pipeline.publication.questions import QUESTIONS
from tests.support.console import create_console, get_output

NOW = datetime(2026, 11, 24, tzinfo=UTC)
TEXTS = {
    "closing tag": "Depot [/north]",
    "style": "[bold red]Depot[/bold red] [link=https://example.com]x[/link]",
    "open tag": "[",
    "escaped tag": "\\[bold]x\\",
    "emoji": ":warning: :smile:",
    "colors": "\x1b[31mDepot\x1b[0m",
    "title": "\x1b]0;title\x07Depot",
    "cleared screen": "\x1b[2J\x1b[HDepot",
    "8-bit control": "\x9b31mDepot\x9d",
    "overwritten line": "Depot\rTotal\b\b\x7f",
    "bidirectional": "Depot \u202egpj.exe\u2066\u200f",
    "null": "De\x00pot",
    "other line breaks": "De\x0bp\x0co\x85t\u2028x\u2029y",
    "lone surrogate": "De\ud800pot",
    "format": "{task.description} %s {0}",
    "wide": "東京 👩\u200d🚀",
}
FRAGMENTS = [
    *TEXTS.values(),
    "[/]",
    "[[",
    "]",
    "a",
    " ",
    "\t",
    "\x1b",
    "\x1b[",
    "\u2069",
    "é",
    ":",
    "\\",
]
# What Rich itself writes to a terminal for a display that updates itself.
RICH_CONTROL = re.compile(r"\x1b\[\?25[lh]|\r?\x1b\[1A|\r?\x1b\[2K|\r")


def _print_answers(text: str, console: Console) -> None:
    show_answers(
        {question.name: ([text, "count"], [(text, 1), (None, 2)]) for question in QUESTIONS},
        console,
    )


def _print_single_row(text: str, console: Console) -> None:
    show_answers({question.name: ([text], [(text,)]) for question in QUESTIONS}, console)


def _print_counts(text: str, console: Console) -> None:
    counts = {"read": 2, "accepted": 1, "rejected": 1, "reasons": {text: 1}}
    report = {"datasets": {text: counts}, "warnings": {text: 1}, "problem": text}
    show_counts(report, console)


def _print_email(text: str, console: Console) -> None:
    show_emails([Email(Path(text.replace("/", "")), text, text, NOW, text)], console)


def _print_progress(text: str, console: Console) -> None:
    with show_progress(text, console):
        pass


def _print_states(text: str, console: Console) -> None:
    state = State(text, "Task", 0, NOW, NOW, result=text)
    console.print(build_states_table(text, [state], NOW))
    PlainView(console).update([state])


def _print_check_result(text: str, console: Console) -> None:
    print_result(fail(text, text), console)


def _print_job_progress(text: str, console: Console) -> None:
    def run_jobs(_: JobsRequest, on_progress: ProgressCallback, __: Sequence[str]) -> JobsResult:
        on_progress("kpis", 1, 2, text)
        return JobsResult(1, text)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cli.jobs, "console", console)
        patch.setattr(cli.jobs, "run_jobs", run_jobs)
        cli.jobs._run_with_progress(JobsRequest(Path(), Path(), "r", "1g"), StepRecorder())


def _print_line(text: str, console: Console) -> None:
    console.print(text, style="bold red", soft_wrap=True)


PRINTERS: list[Callable[[str, Console], None]] = [
    _print_answers,
    _print_single_row,
    _print_counts,
    _print_email,
    _print_progress,
    _print_states,
    _print_check_result,
    _print_job_progress,
    _print_line,
]


def _print(printer: Callable[[str, Console], None], text: str, *, is_terminal: bool) -> str:
    """Return what a console receives, without the control sequences of Rich itself."""
    console = create_console(
        width=500, force_terminal=is_terminal, color_system=None, legacy_windows=False
    )
    printer(text, console)
    output = get_output(console)
    return RICH_CONTROL.sub("", output) if is_terminal else output


@pytest.mark.parametrize("is_terminal", [True, False], ids=["terminal", "file"])
@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
@pytest.mark.parametrize("printer", PRINTERS)
def test_hostile_text_is_shown_as_it_is(
    printer: Callable[[str, Console], None], text: str, is_terminal: bool
) -> None:
    output = _print(printer, text, is_terminal=is_terminal)
    assert not has_control_characters(output.replace("\n", ""))
    # Rich removes some control characters, such as the bell, before the console can escape them.
    shown = {escape_control_characters(text), escape_control_characters(strip_control_codes(text))}
    assert any(text in output for text in shown)


@pytest.mark.parametrize("printer", PRINTERS)
def test_random_hostile_text_does_not_reach_the_terminal(
    printer: Callable[[str, Console], None],
) -> None:
    for seed in range(25):
        rng = random.Random(seed)
        text = "".join(rng.choices(FRAGMENTS, k=rng.choice([1, 2, 5, 300])))
        for is_terminal in (True, False):
            output = _print(printer, text, is_terminal=is_terminal)
            assert not has_control_characters(output.replace("\n", "")), (seed, text)


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_hostile_error_message_is_escaped(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    print_message(f"{text}\nsecond line")
    lines = capsys.readouterr().err.splitlines()
    assert all(line.startswith("run: ") for line in lines)
    assert lines[-1] == "run: second line"
    assert not any(map(has_control_characters, lines))


def test_hostile_batch_name_is_refused() -> None:
    for text in ("a\nb", "a\x1b[31m", "a\u202eb", "a\ud800"):
        with pytest.raises(UserError, match="use one without control characters"):
            build_batch_prefix(text)
    assert build_batch_prefix("Depot [north]") == "raw/Depot [north]/"
