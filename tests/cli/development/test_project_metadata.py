"""The metadata of the project: the same Python versions and the same version everywhere."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from cli.development.diagrams.template import Template

PROJECT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def metadata() -> dict[str, Any]:
    """The `[project]` table of `pyproject.toml`."""
    table: dict[str, Any] = tomllib.loads(_read("pyproject.toml"))["project"]
    return table


@pytest.fixture(scope="module")
def versions(metadata: dict[str, Any]) -> list[str]:
    """The supported versions of Python, such as `3.11`."""
    prefix = "Programming Language :: Python :: 3."
    return [f"3.{item.removeprefix(prefix)}" for item in metadata["classifiers"] if prefix in item]


def test_required_python_is_the_range_of_supported_versions(
    metadata: dict[str, Any], versions: list[str]
) -> None:
    _, last = versions[-1].split(".")
    assert metadata["requires-python"] == f">={versions[0]},<3.{int(last) + 1}"


def test_entry_script_accepts_the_supported_versions(versions: list[str]) -> None:
    first, last = (version.replace(".", ", ") for version in (versions[0], versions[-1]))
    script = _read("run")
    assert f"({first}) <= sys.version_info[:2] <= ({last})" in script
    assert all(f"python{version}" in script for version in versions)


def test_workflow_tests_the_supported_versions(versions: list[str]) -> None:
    assert f"python: {json.dumps(versions)}" in _read(".github/workflows/test.yml")


def test_functions_run_on_versions_that_aws_creates_and_the_code_supports(
    versions: list[str],
) -> None:
    parameter = Template().parameters["LambdaRuntime"]
    # The runtimes of Lambda whose creation is not announced to be blocked in 2026.
    assert parameter["AllowedValues"] == ["python3.12", "python3.13", "python3.14"]
    assert parameter["Default"].removeprefix("python") in versions


def test_workflow_pins_actions_to_commits() -> None:
    actions = re.findall(r"uses: (.*)", _read(".github/workflows/test.yml"))
    assert actions
    for action in actions:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v[0-9.]+", action)


def test_changelog_describes_the_version(metadata: dict[str, Any]) -> None:
    headings = re.findall(r"^## (.*)$", _read("CHANGELOG.md"), re.MULTILINE)
    assert headings[0] == "Unreleased"
    assert re.fullmatch(rf"{re.escape(metadata['version'])} - \d{{4}}-\d\d-\d\d", headings[1])


def test_license_is_the_one_in_the_metadata(metadata: dict[str, Any]) -> None:
    (file,) = metadata["license-files"]
    assert metadata["license"] == "Apache-2.0"
    assert "Apache License\n                           Version 2.0" in _read(file)


def _read(path: str) -> str:
    return (PROJECT / path).read_text(encoding="utf-8")
