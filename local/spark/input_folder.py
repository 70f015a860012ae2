"""Check the four input files in a folder before anything starts."""

from __future__ import annotations

from pathlib import Path

from contract.datasets import DATASETS
from contract.file_check import HEAD_BYTES, check_head
from local.errors import UserError


def check_folder(folder: Path) -> list[str]:
    """Run the file check on the four input files.

    Args:
        folder: Folder that contains the files.

    Returns:
        The warnings about the files.

    Raises:
        UserError: The folder does not exist, or files are missing or invalid. The message lists
            every problem of every file, one file per line.
    """
    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder: specify the folder with the four CSV files")
    problems, warnings = [], []
    for dataset in DATASETS:
        path = folder / dataset.file
        if not path.is_file():
            problems.append(f"{dataset.file}: file not found in {folder}")
            continue
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES + 1)
        check = check_head(dataset, head[:HEAD_BYTES], is_complete=len(head) <= HEAD_BYTES)
        if check.problems:
            problems.append(check.message(dataset.file))
        warnings += [f"{dataset.file}: {warning}" for warning in check.warnings]
    if problems:
        raise UserError("\n".join(problems))
    return warnings
