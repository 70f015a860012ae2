"""The exit codes of the Spark jobs, and of the commands that run them."""

from __future__ import annotations

EXIT_OK = 0
EXIT_INTERNAL_ERROR = 1
EXIT_INVALID_INPUT = 2
"""The arguments or the input files are invalid: the user can correct them and try again."""
