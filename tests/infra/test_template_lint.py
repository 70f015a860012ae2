"""The template before the linters that its users would run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.infra.template import PROJECT, text

TOOLS = Path(sys.executable).parent
# Nobody is asked: the tools only want to see that these are there.
OFFLINE = {
    "AWS_DEFAULT_REGION": "eu-west-1",
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "SAM_CLI_TELEMETRY": "0",
    "SAM_CLI_CHECK_UPDATES": "0",
}
CHECKOV = PROJECT / ".checkov.yaml"


@pytest.mark.parametrize(
    "command",
    [
        ("sam", "validate", "--lint"),
        ("cfn-lint", "template.yaml"),
        ("checkov", "--config-file", str(CHECKOV)),
    ],
    ids=lambda command: command[0],
)
def test_the_template_is_clean(command: Sequence[str]) -> None:
    tool, *arguments = command
    ended = subprocess.run(
        [str(TOOLS / tool), *arguments],
        cwd=PROJECT,
        env=os.environ | OFFLINE,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_every_suppression_of_one_resource_has_its_reason() -> None:
    skips = re.findall(r"checkov:skip=(\w+)(.*)", text())
    assert skips
    assert all(re.fullmatch(r": \w.{20,}", reason) for _, reason in skips)


def test_every_suppression_everywhere_has_its_reason() -> None:
    listed = CHECKOV.read_text(encoding="utf-8").partition("skip-check:\n")[2]
    entry = re.compile(r"(?:  # .+\n)+  - CKV_AWS_\d+\n")
    assert entry.sub("", listed) == ""
