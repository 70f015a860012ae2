"""The template on a local cloud, built and deployed by the same tool as on AWS."""

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

from local.cloud import LOCAL, PROJECT, Cloud

TEMPLATE = PROJECT / "template.yaml"
STACK = "rental-kpi"
EMAIL = "you@example.org"
SUBNET = "subnet-local"
# Shared by all local clouds: what is built depends on the sources alone.
BUILD = LOCAL / "build"
_RUNTIME = f"python{sys.version_info.major}.{sys.version_info.minor}"
_BUILT_FROM = ("src", "requirements/provided", "statemachine", "template.yaml")
_BIN = Path(sys.executable).parent
_TAIL = 40  # lines of a failed command's output


class DeploymentError(Exception):
    """`sam build` or `sam deploy` failed; its words are the end of what that said."""


def deploy(
    cloud: Cloud,
    stack: str = STACK,
    parameters: Mapping[str, str] | None = None,
    build_folder: Path = BUILD,
) -> dict[str, str]:
    """Build the template if its sources have changed, and deploy it to the cloud; its outputs.

    `parameters` are the template's; the email, the subnet and the functions' Python have values of
    their own here. A second deployment updates the stack. DeploymentError.
    """
    given = {"Email": EMAIL, "Subnet": SUBNET, **(parameters or {}), "LambdaRuntime": _RUNTIME}
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
                *("--parameter-overrides", *(f"{name}={value}" for name, value in given.items())),
            )
        except DeploymentError as error:
            raise DeploymentError("\n".join([str(error), *reasons(cloud, stack)])) from error
    return outputs(cloud, stack)


def outputs(cloud: Cloud, stack: str = STACK) -> dict[str, str]:
    """The outputs of a stack that is there. ClientError if it is not."""
    [described] = cloud.client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
    return {output["OutputKey"]: output["OutputValue"] for output in described["Outputs"]}


def reasons(cloud: Cloud, stack: str) -> list[str]:
    """What CloudFormation says of what failed; the tool's table breaks it into columns."""
    try:
        events = cloud.client("cloudformation").describe_stack_events(StackName=stack)
    except ClientError:
        return []
    return [
        f"{event['LogicalResourceId']}: {event['ResourceStatusReason']}"
        for event in events["StackEvents"]
        if event["ResourceStatus"].endswith("_FAILED") and event.get("ResourceStatusReason")
    ]


def build(folder: Path = BUILD) -> None:
    """Run `sam build` into `folder`, unless what lies there was built from the same sources."""
    content = folder / "content"
    digest = _digest()
    if content.is_file() and content.read_text() == digest:
        return
    content.unlink(missing_ok=True)
    _sam(
        folder,
        {},
        "build",
        *("--template-file", str(TEMPLATE), "--cached", "--parallel"),
        *("--build-dir", str(folder / "template"), "--cache-dir", str(folder / "cache")),
        *("--parameter-overrides", f"LambdaRuntime={_RUNTIME}"),
    )
    content.write_text(digest)


def _digest() -> str:
    """Of everything that the build reads, and of the Python that it is for."""
    digest = hashlib.sha256(_RUNTIME.encode())
    for name in _BUILT_FROM:
        top = PROJECT / name
        for path in sorted(top.rglob("*")) if top.is_dir() else [top]:
            if path.is_file() and "__pycache__" not in path.parts:
                digest.update(f"{path.relative_to(PROJECT)}\0".encode())
                digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    """Alone in the folder: two builds, or a build under a deployment, would mix."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _sam(folder: Path, environment: Mapping[str, str], *words: str) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    # What the project's samconfig.toml holds (a region, a profile) is meant for AWS.
    folder.mkdir(parents=True, exist_ok=True)
    settings = folder / "samconfig.toml"
    settings.write_text("version = 0.1\n")
    temporary = folder / "tmp"  # it leaves folders there
    temporary.mkdir(exist_ok=True)
    result = subprocess.run(
        [str(_BIN / "sam"), *words, "--config-file", str(settings)],
        env={
            **kept,
            "TMPDIR": str(temporary),
            # sam looks for the functions' Python there.
            "PATH": f"{_BIN}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
            "SAM_CLI_TELEMETRY": "0",
            "__SAM_CLI_APP_DIR": str(folder / "sam"),
            "SAM_CLI_POLL_DELAY": "0.3",
            **environment,
        },
        cwd=folder,  # it leaves .aws-sam where it stands
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    shutil.rmtree(temporary, ignore_errors=True)
    if result.returncode != 0:
        end = "\n".join(result.stdout.rstrip().splitlines()[-_TAIL:])
        raise DeploymentError(f"sam {words[0]} failed:\n{end}")
