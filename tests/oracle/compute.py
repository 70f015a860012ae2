"""The expected output of a run."""

from dataclasses import dataclass
from pathlib import Path

from .contract import DATASETS
from .reports import kpi_report, transformation_report
from .rows import read_dataset
from .tables import kpi_tables


@dataclass(frozen=True)
class Expected:
    """The expected output of a run.

    Attributes:
        accepted: The accepted rows by dataset name, in the order of the file.
        rejected: The rejected rows by dataset name, in the order of the file.
        transformation: The report of the transformation job, without the run ID.
        tables: The KPI rows by table name, sorted by key.
        kpis: The report of the KPI job, without the run ID.
    """

    accepted: dict[str, list[dict[str, object]]]
    rejected: dict[str, list[dict[str, object]]]
    transformation: dict[str, object]
    tables: dict[str, list[dict[str, object]]]
    kpis: dict[str, object]


def compute_expected(folder: Path, personal_data: bool = False) -> Expected:
    """Return the expected output for the four CSV files in the folder."""
    datasets = {dataset.name: read_dataset(folder, dataset) for dataset in DATASETS}
    accepted = {name: rows.accepted for name, rows in datasets.items()}
    tables = kpi_tables(accepted, personal_data=personal_data)
    return Expected(
        accepted=accepted,
        rejected={name: rows.rejected for name, rows in datasets.items()},
        transformation=transformation_report(datasets),
        tables=tables,
        kpis=kpi_report(tables, accepted["rentals"]),
    )
