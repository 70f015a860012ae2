"""The options that select the target of a command. Every command has the same ones.

A command declares all four parameters, and passes them to `open_target`:

    def runs(
        stack: StackOption = "",
        profile: ProfileOption = "",
        region: RegionOption = "",
        cloud: CloudOption = "",
    ) -> None:
"""

from __future__ import annotations

from typing import Annotated

import typer

_PANEL = "Target (default: the only running local cloud)"

StackOption = Annotated[
    str,
    typer.Option("--stack", metavar="NAME", help="Stack on AWS.", rich_help_panel=_PANEL),
]
ProfileOption = Annotated[
    str,
    typer.Option(
        "--profile",
        metavar="NAME",
        help="Profile of the AWS CLI, together with --stack.",
        rich_help_panel=_PANEL,
    ),
]
RegionOption = Annotated[
    str,
    typer.Option(
        "--region",
        metavar="NAME",
        help="AWS region, together with --stack.",
        rich_help_panel=_PANEL,
    ),
]
CloudOption = Annotated[
    str,
    typer.Option(
        "--cloud",
        metavar="NAME",
        help="Local cloud (see `local status`).",
        rich_help_panel=_PANEL,
    ),
]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation on AWS.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
