"""The entry point of `./run`."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from typing import NoReturn

import typer

from cli import deployment, jobs
from cli.cloud import commands as cloud_commands
from cli.console import print_message
from cli.development import commands as development_commands
from cli.exit_codes import EXIT_OK, get_exit_code
from cli.operations import change_commands
from cli.operations import commands as operation_commands
from cli.preflight import command as preflight_command
from cli.scale import command as scale_command
from cli.verification import command as verification_command

app = typer.Typer(
    help="Run, deploy, and develop the rental KPI pipeline.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
operation_commands.register(app)
change_commands.register(app)
cloud_commands.register(app)
jobs.register(app)
preflight_command.register(app)
scale_command.register(app)
deployment.register(app)
verification_command.register(app)
development_commands.register(app)


def main() -> NoReturn:
    """Run a command and exit."""
    # These signals must terminate child processes too, as Ctrl-C does.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda received, _: sys.exit(128 + received))
    run_command()


def run_command(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a command and exit with its exit code.

    An error whose cause is not a defect of the command is printed without a traceback.

    Args:
        arguments: The arguments. By default, those of this process.
    """
    try:
        app(arguments, prog_name="./run")
    except Exception as error:
        exit_code = get_exit_code(error)
        if exit_code is None:
            raise
        print_message(str(error))
        sys.exit(exit_code)
    sys.exit(EXIT_OK)


if __name__ == "__main__":
    main()
