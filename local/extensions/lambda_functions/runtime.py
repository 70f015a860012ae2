"""Lambda functions run in an environment with only the packages of Lambda's Python runtime.

MiniStack runs them with the Python of the server, so they could import everything that is installed
for it, and would get its newer version of boto3.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from local.extensions.patching.patches import replace
from local.function_environment import get_function_python

_originals: dict[str, Callable[..., Any]] = {}


def install() -> None:
    """Replace the choice of the interpreter that runs a function.

    Raises:
        UserError: The environment of the functions has not been created.
    """
    get_function_python()
    _originals["detect"] = replace(
        "ministack.core.lambda_runtime",
        "_detect_runtime_binary",
        _detect_runtime_binary,
        ("runtime",),
    )


def _detect_runtime_binary(runtime: str) -> tuple[str, str]:
    """Return the interpreter and the worker script of a runtime such as `python3.13`."""
    binary, script = _originals["detect"](runtime)
    if runtime.startswith("python"):
        # The version of Python is the one of this machine, whatever the runtime says.
        binary = str(get_function_python())
    return binary, script
