"""`./run demo`: the whole system once, from an empty account to the mail."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from cli.cloud.local_cloud import set_up, show_how_to_reach, step
from cli.cloud.target import start_for_demo
from cli.cloud.upload import new_batch_name, upload_and_watch
from local.cloud import stop
from local.spark.input_folder import check_folder
from sample_data import write_sample

_RENTALS = 5_000
_ERROR_RATE = 0.01


def demo(folder: Path | None, keep: bool, console: Console) -> int:
    """Run the demo on a folder's files, or on made-up ones; the exit code.

    The cloud ends with it, whatever happens, unless `keep`. UserError, CloudError, DeploymentError.
    """
    warnings = check_folder(folder) if folder else []
    with step("starting the local cloud", console):
        cloud = start_for_demo(stop_with_parent=not keep)
    try:
        if folder is None:
            folder = cloud.folder / "input"
            with step(f"making {_RENTALS:,} rentals and what belongs to them", console):
                write_sample(folder, _RENTALS, _ERROR_RATE, seed=0)
            warnings = check_folder(folder)
        for warning in warnings:
            console.print(warning, markup=False)
        set_up(cloud, console)
        return upload_and_watch(cloud, folder, new_batch_name(), console)
    finally:
        if keep:
            show_how_to_reach(cloud, console)
        else:
            stop(cloud.folder)
            console.print(
                "\nThe local cloud has ended, its bucket with it; --keep leaves it running."
            )
