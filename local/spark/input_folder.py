"""A folder with the four input files, looked at before anything is started."""

from __future__ import annotations

from pathlib import Path

from contract.datasets import DATASETS
from contract.file_check import HEAD_BYTES, check_head
from local.errors import UserError


def check_folder(folder: Path) -> list[str]:
    """What is odd but harmless about the files; UserError with every problem of every file."""
    if not folder.is_dir():
        raise UserError(f"{folder} is no folder; name the one with the four CSV files")
    problems, warnings = [], []
    for dataset in DATASETS:
        path = folder / dataset.file
        if not path.is_file():
            problems.append(f"{dataset.file}: no such file in {folder}")
            continue
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES + 1)
        check = check_head(dataset, head[:HEAD_BYTES], whole=len(head) <= HEAD_BYTES)
        if check.problems:
            problems.append(check.message(dataset.file))
        warnings += [f"{dataset.file}: {warning}" for warning in check.warnings]
    if problems:
        raise UserError("\n".join(problems))
    return warnings
