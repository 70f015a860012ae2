"""`./run demo`: run the complete system once, from an empty account to the email."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from cli.cloud.local_cloud import prepare_cloud, show_access_instructions, show_progress
from cli.console import print_message
from cli.operations.upload import upload_and_watch
from cli.runs.batch_names import generate_batch_name
from cli.target.local_clouds import start_demo_cloud
from cli.target.target import open_cloud_target
from local.cloud import stop
from local.spark.input_folder import check_folder
from sample_data import write_sample

_RENTALS = 5_000
_ERROR_RATE = 0.01


def run_demo(folder: Path | None, keep: bool, console: Console) -> None:
    """Start a local cloud, deploy the stack, upload four files, and watch the run.

    Args:
        folder: Folder with the four input files, or `None` to generate sample data.
        keep: Whether to keep the local cloud running. Otherwise it stops, even after an error.
        console: Where to print progress and results.

    Raises:
        UserError: The input files are missing or invalid.
        CloudError: The local cloud did not start.
        DeploymentError: The stack was not deployed.
        CommandError: The run ended without results, or sent no email.
    """
    warnings = check_folder(folder) if folder else []
    with show_progress("Starting the local cloud", console):
        cloud = start_demo_cloud(stop_with_parent=not keep)
    try:
        if folder is None:
            folder = cloud.folder / "input"
            with show_progress(f"Generating sample data with {_RENTALS:,} rentals", console):
                write_sample(folder, _RENTALS, _ERROR_RATE, seed=0)
            warnings = check_folder(folder)
        for warning in warnings:
            print_message(f"warning: {warning}")
        prepare_cloud(cloud, console)
        upload_and_watch(open_cloud_target(cloud), folder, generate_batch_name(), console)
    finally:
        if keep:
            show_access_instructions(cloud, console)
        else:
            stop(cloud.folder)
            console.print(
                "\nStopped the local cloud. Its bucket was deleted; its emails are kept."
                " To keep the cloud running after the demo, use --keep.",
                soft_wrap=True,
            )
