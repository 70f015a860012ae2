"""The Python environment of local functions: the packages of Lambda's runtime, and no others.

On AWS, a function can import its own package and what the runtime provides. `./run` creates an
environment with the same packages in `.venv/lambda-runtime` (requirements/lambda-runtime.in), so
that a dependency that the package lacks, or that is newer than on AWS, fails here too.
"""

from __future__ import annotations

import sys
from pathlib import Path

from local.errors import UserError

_FUNCTION_PYTHON = Path(sys.prefix) / "lambda-runtime" / "bin" / "python"


def get_function_python() -> Path:
    """Return the Python interpreter that runs local functions.

    Raises:
        UserError: The environment of the functions has not been created.
    """
    if not _FUNCTION_PYTHON.exists():
        raise UserError(
            f"{_FUNCTION_PYTHON} does not exist: install the packages of the Lambda runtime with"
            " ./run local status"
        )
    return _FUNCTION_PYTHON
