"""Tests of the bytecode in the package of the functions."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from local.function_bytecode import compile_package


def test_bytecode_is_used_whatever_the_time_of_the_source_is(tmp_path: Path) -> None:
    """The zip files of SAM have no times, so the sources on AWS are from 1980."""
    module = tmp_path / "package" / "settings.py"
    module.parent.mkdir()
    module.write_text("VALUE = 'compiled'\n", "utf-8")
    compile_package(tmp_path)
    module.write_text("VALUE = 'read from the source'\n", "utf-8")
    os.utime(module, (315532800, 315532800))
    result = subprocess.run(
        [sys.executable, "-c", "from package.settings import VALUE; print(VALUE)"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout == "compiled\n"
