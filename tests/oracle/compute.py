"""The oracle's one question: what must a run over this folder produce?"""

from dataclasses import dataclass
from pathlib import Path

from .contract import DATASETS
from .reports import kpi_report, transformation_report
from .rows import sort_out
from .tables import kpi_tables


@dataclass(frozen=True)
class Expected:
    """All that a run must produce; rows lie in file order, KPI rows in key order."""

    accepted: dict[str, list[dict[str, object]]]
    rejected: dict[str, list[dict[str, object]]]
    transformation: dict[str, object]
    tables: dict[str, list[dict[str, object]]]
    kpis: dict[str, object]


def expected(folder: Path, personal_data: bool = False) -> Expected:
    """Work out what the contract promises for the four CSV files in `folder`."""
    datasets = {dataset.name: sort_out(folder, dataset) for dataset in DATASETS}
    accepted = {name: rows.accepted for name, rows in datasets.items()}
    tables = kpi_tables(accepted, personal_data=personal_data)
    return Expected(
        accepted=accepted,
        rejected={name: rows.rejected for name, rows in datasets.items()},
        transformation=transformation_report(datasets),
        tables=tables,
        kpis=kpi_report(tables, accepted["rentals"]),
    )
