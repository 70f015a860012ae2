"""The template passes the linters, and every suppression has a reason."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.infra.support.template import PROJECT, read_text

TOOLS = Path(sys.executable).parent
# The tools require these variables but do not call AWS.
ENVIRONMENT = {
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
def test_template_passes_linter(command: Sequence[str]) -> None:
    tool, *arguments = command
    result = subprocess.run(
        [str(TOOLS / tool), *arguments],
        cwd=PROJECT,
        env=os.environ | ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_every_suppression_in_the_template_has_a_reason() -> None:
    skips = re.findall(r"checkov:skip=(\w+)(.*)", read_text())
    assert skips
    assert all(re.fullmatch(r": \w.{20,}", reason) for _, reason in skips)


def test_every_global_suppression_has_a_reason() -> None:
    suppressions = CHECKOV.read_text(encoding="utf-8").partition("skip-check:\n")[2]
    entry = re.compile(r"(?:  # .+\n)+  - CKV_AWS_\d+\n")
    assert entry.sub("", suppressions) == ""
