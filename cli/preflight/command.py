"""The command `preflight`.

`./run` installs the packages for AWS only for the commands that need them, so this command imports
its modules when it runs.
"""
# ruff: noqa: PLC0415 - see above

from __future__ import annotations

import itertools
import sys
from typing import Annotated

import typer

from cli.console import console
from contract.exit_codes import EXIT_INVALID_INPUT, EXIT_OK

_DEFAULT_STACK = "rental-kpi"


def register(app: typer.Typer) -> None:
    """Add the command of this module to the command line."""
    app.command(rich_help_panel="Deployment to AWS")(preflight)


def preflight(
    subnet: Annotated[
        str,
        typer.Option(
            metavar="ID", help="Subnet of the clusters. Default: the subnet of the deployed stack."
        ),
    ] = "",
    parameter: Annotated[
        list[str] | None,
        typer.Option(
            "--parameter",
            "-p",
            metavar="NAME=VALUE",
            help="Value of another parameter of the template. Can be repeated.",
        ),
    ] = None,
    stack: Annotated[
        str, typer.Option(metavar="NAME", help=f"Name of the stack. Default: {_DEFAULT_STACK}.")
    ] = "",
    profile: Annotated[str, typer.Option(metavar="NAME", help="Profile of the AWS CLI.")] = "",
    region: Annotated[str, typer.Option(metavar="NAME", help="AWS region.")] = "",
    cloud: Annotated[
        str, typer.Option(metavar="NAME", help="Name of a local cloud (see `local status`).")
    ] = "",
) -> None:
    """Check an account before you deploy to it, and say what to do. The check changes nothing.

    Without --stack, --profile, and --region, check a running local cloud. The exit code is 2 if
    something would make the deployment or the first run fail.
    """
    from cli.check_results import has_failed, print_result, warn
    from cli.preflight.plan import make_plan
    from cli.preflight.preflight import check_deployment
    from cli.target.account import open_account
    from cli.target.stack import StackNotReadableError, find_stack

    account = open_account(profile, region, cloud, is_on_aws=bool(stack))
    name = stack or _DEFAULT_STACK
    console.print(f"Deployment of the stack {name} to {account.description}:")
    try:
        deployed, unreadable = find_stack(account, name), []
    except StackNotReadableError as error:
        deployed, unreadable = None, [warn("stack", str(error))]
    plan = make_plan(name, deployed, subnet, parameter or [])
    results = []
    for result in itertools.chain(unreadable, check_deployment(account, plan)):
        print_result(result, console)
        results.append(result)
    sys.exit(EXIT_INVALID_INPUT if has_failed(results) else EXIT_OK)
