"""The additions fit the emulator that is pinned, and tell when they do not."""

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
def emulator(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The emulator's module as it is, before and after the test."""
    target = patches.resolve(MODULE, "reset")
    monkeypatch.setattr(patches, "_replaced", {})
    yield
    sys.modules[MODULE].reset = target  # type: ignore[attr-defined]


def other(data: str) -> str:
    return data


@pytest.mark.parametrize("addition", EXTENSIONS)
def test_each_addition_fits_the_pinned_emulator(addition: str) -> None:
    _run_apart(f"from local.extensions.{addition} import install; install(); install()")


def test_all_additions_fit_together() -> None:
    _run_apart("from local import extensions; extensions.install()")


def _run_apart(code: str) -> None:
    """In a process of its own: what one replaces, no other test shall see."""
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=PROJECT_ROOT,
        env={"PYTHONPATH": f"{PROJECT_ROOT}:{PROJECT_ROOT / 'src'}", "AUTH": "true"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr


def test_a_name_that_is_gone_is_told_with_addition_and_version() -> None:
    with pytest.raises(patches.PatchError) as told:
        patches.replace(MODULE, "no_such_thing", other)
    assert __name__ in str(told.value)
    assert f"{MODULE}.no_such_thing" in str(told.value)
    assert "MiniStack 1." in str(told.value)


def test_other_parameters_are_told() -> None:
    with pytest.raises(
        patches.PatchError, match=r"_start_execution of MiniStack .* takes \('data',"
    ):
        patches.replace(MODULE, "_start_execution", other, ("data", "more"))


def test_a_table_that_is_none_is_told() -> None:
    with pytest.raises(patches.PatchError, match="is no dict"):
        patches.add_entry(MODULE, "logger", "key", other)


def test_what_stood_there_is_given_back_each_time() -> None:
    original = patches.resolve(MODULE, "reset")
    assert patches.replace(MODULE, "reset", other) is original
    assert patches.replace(MODULE, "reset", other) is original
    assert patches.resolve(MODULE, "reset") is other


def test_two_additions_in_one_place_are_told() -> None:
    patches.replace(MODULE, "reset", other)
    with pytest.raises(patches.PatchError, match="already replaced by"):
        patches.replace(MODULE, "reset", pytest.fail)
