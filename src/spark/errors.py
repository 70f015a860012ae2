"""What a job says when its user has to do something."""

from __future__ import annotations


class InputError(Exception):
    """The arguments or the input cannot be used; the message is one line that says what to do."""
