"""Tests that the extensions fit the pinned version of MiniStack, and report when they do not."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from local.cloud import PROJECT_ROOT
from local.extensions import EXTENSIONS
from local.extensions.patching import patches

MODULE = "ministack.services.stepfunctions"


@pytest.fixture(autouse=True)
def restore_module(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Undo the test's patches of MiniStack's module."""
    original = patches.resolve(MODULE, "reset")
    monkeypatch.setattr(patches, "_replaced", {})
    yield
    sys.modules[MODULE].reset = original  # type: ignore[attr-defined]


def replacement(data: str) -> str:
    return data


@pytest.mark.parametrize("extension", EXTENSIONS)
def test_extension_can_be_installed_twice(extension: str) -> None:
    run_in_new_process(f"from local.extensions.{extension} import install; install(); install()")


def test_all_extensions_can_be_installed_together() -> None:
    run_in_new_process("from local import extensions; extensions.install()")


def run_in_new_process(code: str) -> None:
    """Run Python code in its own process, so that its patches do not affect other tests."""
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=PROJECT_ROOT,
        env={
            "PYTHONPATH": f"{PROJECT_ROOT}:{PROJECT_ROOT / 'src'}",
            "AUTH": "true",
            "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
            "AWS_SECRET_ACCESS_KEY": "secret",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr


def test_missing_attribute_is_reported_with_extension_and_version() -> None:
    with pytest.raises(patches.PatchError) as error:
        patches.replace(MODULE, "no_such_thing", replacement)
    assert __name__ in str(error.value)
    assert f"{MODULE}.no_such_thing" in str(error.value)
    assert "MiniStack 1." in str(error.value)


def test_unexpected_parameters_are_reported() -> None:
    with pytest.raises(
        patches.PatchError, match=r"_start_execution of MiniStack .* has the parameters \('data',"
    ):
        patches.replace(MODULE, "_start_execution", replacement, ("data", "more"))


def test_table_that_is_not_a_dict_is_reported() -> None:
    with pytest.raises(patches.PatchError, match="is not a dict"):
        patches.add_entry(MODULE, "logger", "key", replacement)


def test_replace_returns_the_same_original_each_time() -> None:
    original = patches.resolve(MODULE, "reset")
    assert patches.replace(MODULE, "reset", replacement) is original
    assert patches.replace(MODULE, "reset", replacement) is original
    assert patches.resolve(MODULE, "reset") is replacement


def test_second_extension_cannot_replace_the_same_function() -> None:
    patches.replace(MODULE, "reset", replacement)
    with pytest.raises(patches.PatchError, match="already replaced by"):
        patches.replace(MODULE, "reset", pytest.fail)
