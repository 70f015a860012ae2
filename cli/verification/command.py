"""The command `verify`.

`./run` installs the packages for AWS only for the commands that need them, so this command imports
its modules when it runs.
"""
# ruff: noqa: PLC0415 - see above

from __future__ import annotations

import sys
from typing import Annotated

import typer

from cli.console import console
from local.errors import UserError

_DEFAULT_STACK = "rental-kpi"


def register(app: typer.Typer) -> None:
    """Add the command of this module to the command line."""
    app.command(rich_help_panel="Deployment to AWS")(verify)


def verify(
    stack: Annotated[
        str, typer.Option(metavar="NAME", help=f"Name of the stack. Default: {_DEFAULT_STACK}.")
    ] = "",
    profile: Annotated[str, typer.Option(metavar="NAME", help="Profile of the AWS CLI.")] = "",
    region: Annotated[str, typer.Option(metavar="NAME", help="AWS region.")] = "",
    cloud: Annotated[
        str, typer.Option(metavar="NAME", help="Name of a local cloud (see `local status`).")
    ] = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Keep what the run wrote.")] = False,
    remove: Annotated[
        str,
        typer.Option(metavar="RUN", help="Only remove what an earlier verification wrote."),
    ] = "",
) -> None:
    """Run a small batch with known totals on a deployed stack, and check every number.

    Readers do not see the run, and everything that it wrote is removed. Without --stack, --profile,
    and --region, verify the stack of a running local cloud.

    Not verified: that an upload to raw/ starts a run. The command starts the execution itself,
    without the EventBridge rule for uploads and without receive_upload.
    """
    from cli.target.account import open_account
    from cli.target.stack import get_stack
    from cli.verification.cost import describe_cost
    from cli.verification.verifier import remove_run
    from cli.verification.verifier import verify as verify_stack

    account = open_account(profile, region, cloud, is_on_aws=bool(stack))
    deployed = get_stack(account, stack or _DEFAULT_STACK)
    if remove:
        sys.exit(remove_run(account, deployed, remove, console))
    console.print(f"This starts a run on the stack {deployed.name} in {account.description}.")
    cost = "It costs nothing." if account.is_local else describe_cost(deployed.parameters)
    console.print(cost)
    if not (yes or account.is_local) and not _confirm():
        raise UserError("canceled: nothing was started")
    sys.exit(verify_stack(account, deployed, console, keep=keep))


def _confirm() -> bool:
    if not sys.stdin.isatty():
        raise UserError("this command costs money: add --yes to start it without a terminal")
    return typer.confirm("Continue?")
