"""A run's files against what the oracle expects."""

from __future__ import annotations

from pathlib import Path

from contract.datasets import DATASETS
from contract.kpi_tables import KPI_TABLES
from tests.oracle import Expected
from tests.support.results import by_content, column_types, read_report, read_table

REASONS = "reject_reasons"


def assert_transformed(output: Path, run_id: str, truth: Expected) -> None:
    assert read_report(output, "transformation", run_id) == truth.transformation
    for dataset in DATASETS:
        curated = output / "output" / dataset.name / f"run_id={run_id}"
        assert read_table(curated) == by_content(truth.accepted[dataset.name])
        assert column_types(curated) == dict(dataset.curated_columns)
        quarantine = output / "quarantine" / dataset.name / f"run_id={run_id}"
        assert read_table(quarantine) == by_content(truth.rejected[dataset.name])
        raw = dict.fromkeys([*dataset.column_names, "raw_record"], "string")
        assert column_types(quarantine) == raw | {REASONS: "array<string>"}


def assert_kpis(output: Path, run_id: str, truth: Expected, personal_data: bool = False) -> None:
    assert read_report(output, "kpis", run_id) == truth.kpis
    for table in KPI_TABLES:
        folder = output / "kpi_output" / table.name / f"run_id={run_id}"
        assert read_table(folder) == by_content(truth.tables[table.name])
        assert column_types(folder) == dict(table.columns_for(personal_data))
