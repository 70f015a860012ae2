"""The entry point of `./run`."""

from __future__ import annotations

import signal
import sys
from typing import NoReturn

import typer

from cli import deployment, jobs
from cli.cloud import commands as cloud_commands
from cli.console import print_message
from cli.development import commands as development_commands
from cli.preflight import command as preflight_command
from cli.scale import command as scale_command
from cli.verification import command as verification_command
from contract.exit_codes import EXIT_INVALID_INPUT, EXIT_OK
from local.errors import UserError

app = typer.Typer(
    help="Run, deploy, and develop the rental KPI pipeline.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
cloud_commands.register(app)
jobs.register(app)
preflight_command.register(app)
scale_command.register(app)
deployment.register(app)
verification_command.register(app)
development_commands.register(app)


def main() -> NoReturn:
    """Run a command and exit.

    An error that the user has to fix is printed without a traceback.
    """
    # These signals must terminate child processes too, as Ctrl-C does.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda received, _: sys.exit(128 + received))
    try:
        app(prog_name="./run")
    except UserError as error:
        print_message(str(error))
        sys.exit(EXIT_INVALID_INPUT)
    sys.exit(EXIT_OK)


if __name__ == "__main__":
    main()
