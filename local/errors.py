"""Errors that the command line reports to its user."""

from __future__ import annotations


class UserError(Exception):
    """An error that the user has to fix.

    The message is one clear line that says what to do. The command ends with exit code 2.
    """


class LocalCloudError(Exception):
    """Something in the local cloud failed that the user cannot fix.

    The message says what and where. The command ends with exit code 1.
    """
