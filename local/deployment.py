"""Build the template and deploy it to a local cloud, with the same tool as on AWS."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from botocore.exceptions import ClientError

from local.cloud import LOCAL_FOLDER, PROJECT_ROOT, Cloud
from local.errors import LocalCloudError

TEMPLATE = PROJECT_ROOT / "template.yaml"
STACK = "rental-kpi"
EMAIL = "you@example.org"
SUBNET = "subnet-local"
# Shared by all local clouds: the build depends only on the sources.
BUILD_FOLDER = LOCAL_FOLDER / "build"
_RUNTIME = f"python{sys.version_info.major}.{sys.version_info.minor}"
_SOURCES = ("src", "statemachine", "template.yaml")
_BIN_FOLDER = Path(sys.executable).parent
_OUTPUT_LINES_IN_ERROR = 40


class DeploymentError(LocalCloudError):
    """`sam build` or `sam deploy` failed. The message ends with the last lines of its output."""


def deploy(
    cloud: Cloud,
    stack: str = STACK,
    parameters: Mapping[str, str] | None = None,
    build_folder: Path = BUILD_FOLDER,
) -> dict[str, str]:
    """Build the template if its sources have changed, and deploy it to a local cloud.

    If the stack exists, it is updated.

    Args:
        cloud: The cloud to deploy to.
        stack: The name of the stack.
        parameters: Template parameters. The notification email and the subnet have local defaults.
        build_folder: The folder for the build.

    Returns:
        The outputs of the stack, by name.

    Raises:
        DeploymentError: The build or the deployment failed.
    """
    all_parameters = {"NotificationEmail": EMAIL, "SubnetId": SUBNET, **(parameters or {})}
    overrides = [f"{name}={value}" for name, value in all_parameters.items()]
    with _lock(build_folder):
        build(build_folder)
        try:
            _sam(
                build_folder,
                cloud.environment(),
                "deploy",
                *("--template-file", str(build_folder / "template" / "template.yaml")),
                *("--stack-name", stack, "--resolve-s3", "--capabilities", "CAPABILITY_IAM"),
                *("--region", cloud.region),
                *("--no-confirm-changeset", "--no-fail-on-empty-changeset", "--no-progressbar"),
                *("--parameter-overrides", *overrides),
            )
        except DeploymentError as error:
            reasons = get_failure_reasons(cloud, stack)
            raise DeploymentError("\n".join([str(error), *reasons])) from error
    return get_outputs(cloud, stack)


def get_outputs(cloud: Cloud, stack: str = STACK) -> dict[str, str]:
    """Return the outputs of a deployed stack, by name.

    Raises:
        ClientError: The stack does not exist.
    """
    [description] = cloud.client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
    return {output["OutputKey"]: output["OutputValue"] for output in description["Outputs"]}


def get_failure_reasons(cloud: Cloud, stack: str) -> list[str]:
    """Return one line for each resource that CloudFormation failed to create, update, or delete.

    `sam deploy` prints the same reasons, but breaks them into the columns of a table.
    """
    try:
        events = cloud.client("cloudformation").describe_stack_events(StackName=stack)
    except ClientError:
        return []
    return [
        f"{event['LogicalResourceId']}: {event['ResourceStatusReason']}"
        for event in events["StackEvents"]
        if event["ResourceStatus"].endswith("_FAILED") and event.get("ResourceStatusReason")
    ]


def build(folder: Path = BUILD_FOLDER) -> None:
    """Run `sam build`, unless the folder already contains a build of the same sources.

    The build uses the Python of this process, because `sam build` requires the exact version that
    the functions name, and this version runs the functions locally. The built template still
    refers to `LambdaRuntime`, whose value is chosen when it is deployed.

    Raises:
        DeploymentError: The build failed.
    """
    digest_file = folder / "content"
    digest = _digest()
    if digest_file.is_file() and digest_file.read_text() == digest:
        return
    digest_file.unlink(missing_ok=True)
    _sam(
        folder,
        {},
        "build",
        *("--template-file", str(TEMPLATE), "--cached", "--parallel"),
        *("--build-dir", str(folder / "template"), "--cache-dir", str(folder / "cache")),
        *("--parameter-overrides", f"LambdaRuntime={_RUNTIME}"),
    )
    digest_file.write_text(digest)


def _digest() -> str:
    """Return a digest of the Python version and of every file that the build reads."""
    digest = hashlib.sha256(_RUNTIME.encode())
    for name in _SOURCES:
        top = PROJECT_ROOT / name
        for path in sorted(top.rglob("*")) if top.is_dir() else [top]:
            if path.is_file() and "__pycache__" not in path.parts:
                digest.update(f"{path.relative_to(PROJECT_ROOT)}\0".encode())
                digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    """Lock the folder, so that no other process changes the build during a deployment."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _sam(folder: Path, environment: Mapping[str, str], *arguments: str) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    # The settings of the project's samconfig.toml, such as a region or a profile, are for AWS.
    folder.mkdir(parents=True, exist_ok=True)
    settings = folder / "samconfig.toml"
    settings.write_text("version = 0.1\n")
    temporary = folder / "tmp"  # sam leaves folders behind in TMPDIR
    temporary.mkdir(exist_ok=True)
    result = subprocess.run(
        [str(_BIN_FOLDER / "sam"), *arguments, "--config-file", str(settings)],
        env={
            **kept,
            "TMPDIR": str(temporary),
            # sam looks for the Python of the functions in PATH.
            "PATH": f"{_BIN_FOLDER}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
            "SAM_CLI_TELEMETRY": "0",
            "__SAM_CLI_APP_DIR": str(folder / "sam"),
            "SAM_CLI_POLL_DELAY": "0.3",
            **environment,
        },
        cwd=folder,  # sam creates .aws-sam in its working directory
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    shutil.rmtree(temporary, ignore_errors=True)
    if result.returncode != 0:
        last_lines = "\n".join(result.stdout.rstrip().splitlines()[-_OUTPUT_LINES_IN_ERROR:])
        raise DeploymentError(f"sam {arguments[0]} failed:\n{last_lines}")
