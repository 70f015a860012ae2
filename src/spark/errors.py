"""Errors that the user of a job can correct."""

from __future__ import annotations


class InputError(Exception):
    """The arguments or the input are invalid. The message is one line that says what to do."""
