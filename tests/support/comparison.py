"""Assertions that the output of a run matches the oracle."""

from __future__ import annotations

from pathlib import Path

from contract.datasets import DATASETS
from contract.kpi_tables import KPI_TABLES
from tests.oracle import Expected
from tests.support.results import column_types, read_report, read_table, sort_rows

REASONS = "reject_reasons"


def assert_transformation_matches(output: Path, run_id: str, expected: Expected) -> None:
    assert read_report(output, "transformation", run_id) == expected.transformation
    for dataset in DATASETS:
        curated = output / "output" / dataset.name / f"run_id={run_id}"
        assert read_table(curated) == sort_rows(expected.accepted[dataset.name])
        assert column_types(curated) == dict(dataset.curated_columns)
        quarantine = output / "quarantine" / dataset.name / f"run_id={run_id}"
        assert read_table(quarantine) == sort_rows(expected.rejected[dataset.name])
        raw_types = dict.fromkeys([*dataset.column_names, "raw_record"], "string")
        assert column_types(quarantine) == raw_types | {REASONS: "array<string>"}


def assert_kpis_match(
    output: Path, run_id: str, expected: Expected, personal_data: bool = False
) -> None:
    assert read_report(output, "kpis", run_id) == expected.kpis
    for table in KPI_TABLES:
        folder = output / "kpi_output" / table.name / f"run_id={run_id}"
        assert read_table(folder) == sort_rows(expected.tables[table.name])
        assert column_types(folder) == dict(table.columns_for(personal_data))
