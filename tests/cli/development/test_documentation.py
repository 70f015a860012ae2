"""The documentation: links, paths, and commands that it mentions exist."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from cli.__main__ import app

PROJECT = Path(__file__).resolve().parents[3]
PAGES = [
    *sorted(PROJECT.glob("*.md")),
    *sorted(PROJECT.glob("docs/*.md")),
    PROJECT / ".github" / "pull_request_template.md",
]
FOLDERS = ("bench", "cli", "docs", "events", "local", "requirements", "sample_data", "src", "tests")
LINK = re.compile(r"\]\((?P<target>[^)#\s]*)(?:#(?P<anchor>[^)\s]+))?\)")
CODE_BLOCK = re.compile(r"^ *```.*?^ *```", re.MULTILINE | re.DOTALL)
INLINE_CODE = re.compile(r"`([^`\n]+)`")
EMAIL = re.compile(r"^```text\nSubject: .*?^```$", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"\./run (?P<words>[a-z][^#;|&`\n]*)")

for_each_page = pytest.mark.parametrize(
    "page", PAGES, ids=lambda page: page.relative_to(PROJECT).as_posix()
)


@for_each_page
def test_links_lead_to_files_and_headings(page: Path) -> None:
    for link in LINK.finditer(CODE_BLOCK.sub("", page.read_text(encoding="utf-8"))):
        if link["target"].startswith("https://"):
            continue
        target = (page.parent / link["target"]).resolve() if link["target"] else page
        assert target.exists(), link[0]
        if link["anchor"]:
            assert link["anchor"] in set(_anchors(target)), link[0]


@for_each_page
def test_paths_exist(page: Path) -> None:
    text = CODE_BLOCK.sub("", page.read_text(encoding="utf-8"))
    paths = [
        code
        for code in INLINE_CODE.findall(text)
        if re.fullmatch(rf"({'|'.join(FOLDERS)})/[\w./-]*", code)
    ]
    assert [path for path in paths if not (PROJECT / path).exists()] == []


@for_each_page
def test_commands_and_their_options_exist(page: Path) -> None:
    # The examples of emails are compared with the emails by the tests of their builders.
    text = EMAIL.sub("", page.read_text(encoding="utf-8"))
    for line in COMMAND.finditer(text):
        command: Any = get_command(app)
        words = line["words"].split()
        while words and hasattr(command, "commands"):
            names = words.pop(0).split("|")
            assert set(names) <= set(command.commands), line[0]
            command = command.commands[names[0]]
        known = {option for parameter in command.params for option in parameter.opts}
        options = {word.rstrip(".,)") for word in words if word.startswith("--")}
        passes_on = command.context_settings.get("ignore_unknown_options", False)
        assert passes_on or options <= {*known, "--help"}, line[0]


def test_path_of_the_run_id_names_existing_code() -> None:
    page = (PROJECT / "docs" / "architecture.md").read_text(encoding="utf-8")
    table = page.partition("| stage | what happens to the run ID | where |")[2].partition("\n\n")[0]
    rows = [line.split(" | ") for line in table.splitlines()[2:]]
    assert len(rows) > 10
    for _, description, where in rows:
        files = [PROJECT / path for path in INLINE_CODE.findall(where) if not path.endswith("/")]
        source = "".join(file.read_text(encoding="utf-8") for file in files)
        names = [
            re.fullmatch(r"\$?(?:\w+\.)?(\w+)", code) for code in INLINE_CODE.findall(description)
        ]
        assert [name[1] for name in names if name and files and name[1] not in source] == []


def test_operations_guide_quotes_existing_emails_and_alarms() -> None:
    page = (PROJECT / "docs" / "operations.md").read_text(encoding="utf-8")
    modules = sorted((PROJECT / "src" / "pipeline").rglob("*.py"))
    emails = "".join(path.read_text(encoding="utf-8") for path in modules)
    template = (PROJECT / "template.yaml").read_text(encoding="utf-8")
    alarms = "".join(line for line in template.splitlines() if "AlarmName:" in line)
    first_cells = re.findall(r"^\| (email|alarm) (.*?) \|", page, re.MULTILINE)
    assert {kind for kind, _ in first_cells} == {"email", "alarm"}
    for kind, cell in first_cells:
        for quoted in re.findall(r'"([^"]+)"', cell):
            assert quoted in (emails if kind == "email" else alarms)


def _anchors(page: Path) -> Iterator[str]:
    """Yield the anchors that GitHub derives from the headings of a page."""
    for heading in re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE):
        words = re.sub(r"[^\w\- ]", "", heading.lower())
        yield words.replace(" ", "-")
