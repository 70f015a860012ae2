"""The confirmation of what a command is about to change on AWS."""

from __future__ import annotations

import sys

from cli.console import print_message
from cli.target.target import Target
from contract.text import escape_control_characters
from local.errors import UserError


def confirm(target: Target, action: str, *, yes: bool) -> None:
    """Ask whether to change something on AWS. On a local cloud, nothing needs a confirmation.

    Question and answer are not part of the output: they use stderr and stdin.

    Args:
        target: The target that changes.
        action: What the command is about to do, as a sentence without its full stop.
        yes: Whether the caller has confirmed it with `--yes`.

    Raises:
        UserError: The answer is no, or there is no terminal to ask at.
    """
    if target.is_local or yes:
        return
    print_message(f"{action}.")
    if not sys.stdin.isatty():
        raise UserError(f"this changes the {target.description}: add --yes to confirm it")
    sys.stderr.write("Continue? [y/N] ")
    sys.stderr.flush()
    answer = sys.stdin.readline().strip().lower()
    if answer not in {"y", "yes"}:
        raise UserError(
            f"canceled: nothing was changed (the answer was {escape_control_characters(answer)!r})"
        )
