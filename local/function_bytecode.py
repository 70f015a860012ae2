"""Bytecode for the package of the functions.

The folder of a function is read-only on AWS, so Python would compile every module again at each
cold start. `sam build` does not compile, and the zip files of SAM have no modification times, so
that Python would ignore bytecode that depends on them
(https://github.com/aws/aws-lambda-builders/issues/924).
"""

from __future__ import annotations

import compileall
from pathlib import Path
from py_compile import PycInvalidationMode


def compile_package(folder: Path) -> None:
    """Compile all modules below a folder that `sam build` created, with this version of Python.

    Other versions of Python ignore the bytecode.
    """
    compileall.compile_dir(
        folder, quiet=1, invalidation_mode=PycInvalidationMode.UNCHECKED_HASH, workers=0
    )
