"""What the command line says when its user has to do something."""

from __future__ import annotations


class UserError(Exception):
    """One clear line with what to do; ends the command with exit code 2."""
