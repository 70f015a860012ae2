"""Select the local cloud that a command works with, and describe the access to it."""

from __future__ import annotations

import os
import shlex
from contextlib import suppress
from itertools import count
from pathlib import Path

from botocore.exceptions import ClientError

from local.cloud import LOCAL_FOLDER, Cloud, FolderInUseError, find, start
from local.deployment import get_outputs
from local.errors import UserError

CLOUD_FOLDER = LOCAL_FOLDER / "cloud"
"""The folder of the cloud that `./run local up` starts."""
_DEMO_FOLDER_NAME = "demo"


def list_running_clouds() -> list[Cloud]:
    """Return the running local clouds: the one of `./run local up` first, then those of demos."""
    demo_folders = sorted(folder for folder in LOCAL_FOLDER.glob("*/") if folder != CLOUD_FOLDER)
    clouds = (find(folder) for folder in [CLOUD_FOLDER, *demo_folders])
    return [cloud for cloud in clouds if cloud is not None]


def get_running_cloud(name: str = "") -> Cloud:
    """Return a running local cloud.

    Args:
        name: Name of the cloud. By default, the only one that is running.

    Raises:
        UserError: There is no such cloud, or there are several. The message says what to type.
    """
    clouds = list_running_clouds()
    names = ", ".join(cloud.name for cloud in clouds)
    if name:
        for cloud in clouds:
            if cloud.name == name:
                return cloud
        hint = f"specify one of {names}" if names else "start one with ./run local up"
        raise UserError(f"local cloud {name!r} is not running: {hint}")
    if len(clouds) > 1:
        choices = " or ".join(f"--cloud {cloud.name}" for cloud in clouds)
        raise UserError(f"{len(clouds)} local clouds are running: add {choices}")
    if not clouds:
        raise UserError("no local cloud is running: start one with ./run local up")
    return clouds[0]


def get_stack_outputs(cloud: Cloud) -> dict[str, str]:
    """Return the outputs of the deployed stack, or an empty dictionary if it is not deployed."""
    try:
        return get_outputs(cloud)
    except ClientError:
        return {}


def start_demo_cloud(*, stop_with_parent: bool) -> Cloud:
    """Start a local cloud in a folder that no other cloud is using.

    Args:
        stop_with_parent: Whether the cloud stops when this process ends.

    Raises:
        CloudError: The cloud did not start.
    """
    for number in count(1):
        name = _DEMO_FOLDER_NAME if number == 1 else f"{_DEMO_FOLDER_NAME}-{number}"
        with suppress(FolderInUseError):
            return start(LOCAL_FOLDER / name, stop_with_parent=stop_with_parent)
    raise AssertionError("unreachable: count() never ends")


def find_mailbox(name: str = "") -> Path | None:
    """Return the mailbox folder of a local cloud, whether it is running or not.

    Args:
        name: Name of the cloud. By default, the one that received an email most recently.

    Returns:
        The folder, or `None` if no name is given and no cloud has received an email.

    Raises:
        UserError: No cloud with this name has a mailbox.
    """
    mailboxes = {folder.parent.name: folder for folder in LOCAL_FOLDER.glob("*/mailbox")}
    if name:
        if name not in mailboxes:
            names = ", ".join(sorted(mailboxes))
            hint = f"specify one of {names}" if names else "start one with ./run local up"
            raise UserError(f"local cloud {name!r} has no mailbox: {hint}")
        return mailboxes[name]
    with_emails = [folder for folder in mailboxes.values() if any(folder.glob("*.eml"))]
    return max(with_emails, key=lambda folder: folder.stat().st_mtime, default=None)


def format_access_instructions(cloud: Cloud) -> str:
    """Return the shell commands that direct the AWS CLI and boto3 to a local cloud."""
    variables = cloud.environment()
    # Any other AWS variable could direct a call to a real account.
    others = {name for name in os.environ if name.startswith("AWS_")} - set(variables)
    unset = " ".join(sorted({"AWS_PROFILE", "AWS_SESSION_TOKEN"} | others))
    exports = (f"export {name}={shlex.quote(value)}" for name, value in variables.items())
    return "\n".join([f"unset {unset}", *exports])


def shorten_path(path: Path) -> str:
    """Return a path relative to the current directory if it is below that directory."""
    current = Path.cwd()
    return str(path.relative_to(current) if path.is_relative_to(current) else path)
