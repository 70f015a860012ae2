"""The command `check`: what the upload check, and the rules for rows, say about a folder."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from cli.exit_codes import CommandError
from contract.datasets import DATASETS, Dataset
from contract.exit_codes import EXIT_INVALID_INPUT, EXIT_OK
from contract.file_check import HEAD_BYTES, check_head
from contract.layout import TRANSFORMATION_JOB, job_report_key
from contract.reports import TransformationReport
from contract.text import escape_control_characters
from local.errors import UserError

_RUN_ID = "check"


@dataclass(frozen=True)
class FileResult:
    """What the upload check says about a file.

    Attributes:
        dataset: Name of the dataset.
        file: Name of the file.
        size: Size in bytes. `None` if the file is missing.
        problems: Why the upload would be rejected.
        warnings: What the upload would be accepted with.
    """

    dataset: str
    file: str
    size: int | None
    problems: tuple[str, ...]
    warnings: tuple[str, ...]


def check_files(folder: Path) -> list[FileResult]:
    """Return what the upload check says about each of the four files.

    Raises:
        UserError: The folder does not exist.
    """
    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder: specify the folder with the four CSV files")
    return [_check_file(folder / dataset.file, dataset) for dataset in DATASETS]


def _check_file(path: Path, dataset: Dataset) -> FileResult:
    if not path.is_file():
        return FileResult(dataset.name, dataset.file, None, ("file not found",), ())
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES + 1)
    check = check_head(dataset, head[:HEAD_BYTES], is_complete=len(head) <= HEAD_BYTES)
    size = path.stat().st_size
    return FileResult(dataset.name, dataset.file, size, check.problems, check.warnings)


def has_problems(results: Sequence[FileResult]) -> bool:
    """Return whether an upload would be rejected, or incomplete."""
    return any(result.problems for result in results)


def check_rows(folder: Path) -> TransformationReport:
    """Return what the jobs count in a folder, with all rules for rows. It needs Spark.

    Raises:
        UserError: The jobs cannot read the files.
        CommandError: The jobs failed.
    """
    from local.spark.job_runner import JobsRequest, run_jobs  # noqa: PLC0415 - it needs Spark

    with tempfile.TemporaryDirectory(prefix="rental-kpi-check-") as output:
        request = JobsRequest(folder, Path(output), _RUN_ID, "2g", personal_data=False)
        result = run_jobs(request, lambda *_: None)
        if result.exit_code == EXIT_INVALID_INPUT:
            raise UserError(result.last_message)
        if result.exit_code != EXIT_OK:
            raise CommandError(
                f"the jobs failed with exit code {result.exit_code}: {result.last_message}"
            )
        report = Path(output) / job_report_key(TRANSFORMATION_JOB, _RUN_ID)
        return TransformationReport.from_json(report.read_text("utf-8"))


def build_document(
    results: Sequence[FileResult], report: TransformationReport | None
) -> dict[str, Any]:
    """Return the results as the content of the JSON document `check`."""
    return {
        "valid": not has_problems(results) and not (report and report.problem),
        "files": [
            {
                "dataset": result.dataset,
                "file": result.file,
                "bytes": result.size,
                "problems": list(result.problems),
                "warnings": list(result.warnings),
            }
            for result in results
        ],
        "rows": report
        and {
            "datasets": [
                {
                    "dataset": name,
                    "read": counts.read,
                    "accepted": counts.accepted,
                    "rejected": counts.rejected,
                    "reasons": [
                        {"code": code, "rows": rows} for code, rows in counts.reasons.items()
                    ],
                }
                for name, counts in report.datasets.items()
            ],
            "warnings": [{"code": code, "rows": rows} for code, rows in report.warnings.items()],
            "revenue": report.revenue,
            "problem": report.problem,
        },
    }


def show_files(results: Sequence[FileResult], console: Console) -> None:
    """Print what the upload check says about each file."""
    for result in results:
        status, style = ("rejected", "bold red") if result.problems else ("valid", "green")
        size = "" if result.size is None else f"{result.size:,} bytes"
        line = Text.assemble(f"{result.file:24} ", (f"{status:9}", style), f" {size}")
        console.print(line, soft_wrap=True)
        for problem in result.problems:
            console.print(f"  {escape_control_characters(problem)}", soft_wrap=True)
        for warning in result.warnings:
            console.print(f"  warning: {escape_control_characters(warning)}", soft_wrap=True)
