"""Which local cloud a command means, and being its user."""

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
from pipeline.aws.clients import forget_clients

CLOUD = LOCAL_FOLDER / "cloud"  # of `./run local up`
_DEMO = "demo"


def running_clouds() -> list[Cloud]:
    """The local clouds that run, that of `./run local up` before those of demos."""
    folders = sorted(folder for folder in LOCAL_FOLDER.glob("*/") if folder != CLOUD)
    found = (find(folder) for folder in [CLOUD, *folders])
    return [cloud for cloud in found if cloud is not None]


def running_cloud(name: str = "") -> Cloud:
    """The one of that name, by default the first that lasts; UserError if it does not run.

    The cloud of a demo that is under way goes away with it, so it has to be named.
    """
    clouds = running_clouds()
    for cloud in clouds:
        if cloud.name == name or not (name or cloud.stops_with_parent):
            return cloud
    if name:
        names = ", ".join(cloud.name for cloud in clouds) or "none"
        raise UserError(f"no local cloud {name!r} is running; there are {names}")
    under_way = f", but for {clouds[0].name} of a demo under way" if clouds else ""
    raise UserError(f"no local cloud is running{under_way}: ./run local up starts one")


def stack_outputs(cloud: Cloud) -> dict[str, str]:
    """The outputs of the stack that is deployed there; none while it is not, or not yet."""
    try:
        return get_outputs(cloud)
    except ClientError:
        return {}


def start_for_demo(*, stop_with_parent: bool) -> Cloud:
    """Start a cloud beside those of other demos, not on top of them. CloudError."""
    for number in count(1):
        folder = LOCAL_FOLDER / (_DEMO if number == 1 else f"{_DEMO}-{number}")
        with suppress(FolderInUseError):
            return start(folder, stop_with_parent=stop_with_parent)
    raise AssertionError("there is always another number")


def mailbox(name: str = "") -> Path | None:
    """The mailbox of the local cloud of that name, running or not.

    By default that of the one that got a mail last; None if none did.
    UserError for a name that no cloud here had.
    """
    found = {folder.parent.name: folder for folder in LOCAL_FOLDER.glob("*/mailbox")}
    if name:
        if name not in found:
            names = ", ".join(sorted(found)) or "none"
            raise UserError(f"no local cloud {name!r} has a mailbox here; {names} have")
        return found[name]
    used = [folder for folder in found.values() if any(folder.glob("*.eml"))]
    return max(used, key=lambda folder: folder.stat().st_mtime, default=None)


def use_cloud_credentials(cloud: Cloud) -> None:
    """Let this process reach the cloud, as `how_to_reach` lets a shell."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ.update(cloud.environment())
    forget_clients()


def access_instructions(cloud: Cloud) -> str:
    """The lines to give a shell whose `aws` and boto3 are to reach the cloud."""
    exported = cloud.environment()
    # Any other of these could lead a call past the cloud, to a real account.
    here = {name for name in os.environ if name.startswith("AWS_")}
    others = sorted({"AWS_PROFILE", "AWS_SESSION_TOKEN"} | here - set(exported))
    exports = (f"export {name}={shlex.quote(text)}" for name, text in exported.items())
    return "\n".join([f"unset {' '.join(others)}", *exports])


def shown(path: Path) -> str:
    """A path as short as it can be written from where the user stands."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
