"""The difference between two runs."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from cli.runs.run_details import RunDetails
from contract.reports import TransformationReport


@dataclass(frozen=True)
class DatasetDifference:
    """How the row counts of a dataset differ from those of another run."""

    dataset: str
    read: int
    accepted: int
    rejected: int


@dataclass(frozen=True)
class Comparison:
    """How a run differs from another one.

    Attributes:
        run_id: ID of the other run.
        revenue: The difference of the revenue. `None` unless both runs have counted it.
        percent: The difference of the revenue in percent. `None` also if the other one is zero.
        datasets: The differences of the row counts. Empty unless both runs have counted them.
        changed_files: The datasets of which the runs read different versions, or other files.
            `None` if the files of a run are unknown.
    """

    run_id: str
    revenue: Decimal | None
    percent: Decimal | None
    datasets: tuple[DatasetDifference, ...]
    changed_files: tuple[str, ...] | None


def compare(details: RunDetails, other: RunDetails) -> Comparison:
    """Return how a run differs from another one."""
    revenue, percent = None, None
    datasets: tuple[DatasetDifference, ...] = ()
    if details.report and other.report:
        base = other.report.revenue
        revenue = details.report.revenue - base
        percent = revenue / base * 100 if base else None
        datasets = _compare_counts(details.report, other.report)
    return Comparison(
        other.run.run_id, revenue, percent, datasets, _list_changed_files(details, other)
    )


def _compare_counts(
    report: TransformationReport, other: TransformationReport
) -> tuple[DatasetDifference, ...]:
    return tuple(
        DatasetDifference(
            name,
            counts.read - other.datasets[name].read,
            counts.accepted - other.datasets[name].accepted,
            counts.rejected - other.datasets[name].rejected,
        )
        for name, counts in report.datasets.items()
    )


def _list_changed_files(details: RunDetails, other: RunDetails) -> tuple[str, ...] | None:
    if not details.files or not other.files:
        return None
    versions = {file.dataset: (file.key, file.version_id) for file in other.files}
    return tuple(
        file.dataset
        for file in details.files
        if (file.key, file.version_id) != versions.get(file.dataset)
    )
