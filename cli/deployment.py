"""The command `deploy`: build and deploy the stack with this environment's AWS SAM CLI."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from local.function_bytecode import compile_package

_PROJECT = Path(__file__).resolve().parents[1]
_BIN_FOLDER = Path(sys.executable).parent
_BUILD_FOLDER = _PROJECT / ".aws-sam" / "build"


def register(app: typer.Typer) -> None:
    """Add the command of this module to the command line."""
    app.command(
        context_settings={"ignore_unknown_options": True}, rich_help_panel="Deployment to AWS"
    )(deploy)


def deploy(
    sam_arguments: Annotated[
        list[str] | None,
        typer.Argument(metavar="SAM_ARGS", help="Extra arguments for `sam deploy`."),
    ] = None,
) -> None:
    """Build the stack and deploy it to AWS with the AWS SAM CLI.

    For the first deployment, run `./run deploy --guided`, which asks for the required parameters.
    """
    sys.exit(build_and_deploy(sam_arguments or []))


def build_and_deploy(sam_arguments: Sequence[str]) -> int:
    """Run `sam build` and `sam deploy`.

    The package contains only pure Python, so this environment's Python builds it for every Lambda
    runtime. Its bytecode is of use to the runtime with the same version of Python.

    Args:
        sam_arguments: Extra arguments for `sam deploy`.

    Returns:
        The exit code of the command that failed, or 0.
    """
    runtime = f"LambdaRuntime=python{sys.version_info.major}.{sys.version_info.minor}"
    # sam build looks for the Python of the runtime in PATH.
    environment = os.environ | {"PATH": f"{_BIN_FOLDER}{os.pathsep}{os.environ['PATH']}"}

    def run_sam(*arguments: str) -> int:
        command = [str(_BIN_FOLDER / "sam"), *arguments]
        return subprocess.run(command, cwd=_PROJECT, env=environment, check=False).returncode

    exit_code = run_sam("build", "--parameter-overrides", runtime)
    if exit_code != 0:
        return exit_code
    compile_package(_BUILD_FOLDER)
    return run_sam("deploy", *sam_arguments)
