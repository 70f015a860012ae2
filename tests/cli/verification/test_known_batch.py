"""The batch of `./run verify`: its expected results are those of the oracle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cli.verification.known_batch import BATCH_FOLDER, load_expected_results
from contract.datasets import DATASETS
from contract.kpi_tables import KPI_TABLES
from tests.oracle import compute_expected

EXPECTED_FILE = BATCH_FOLDER / "expected.json"


def compute_expected_file(folder: Path) -> str:
    """Return the content of `expected.json` for the files in a folder."""
    expected = compute_expected(folder)
    content: dict[str, Any] = {
        "transformation": expected.transformation,
        "kpis": expected.kpis,
        "tables": {
            name: [
                {column: None if value is None else str(value) for column, value in row.items()}
                for row in rows
            ]
            for name, rows in expected.tables.items()
        },
    }
    return json.dumps(content, indent=2) + "\n"


def test_expected_results_are_those_of_the_oracle() -> None:
    """If you changed the contract or the batch, store the computed text in the file."""
    assert EXPECTED_FILE.read_text("utf-8") == compute_expected_file(BATCH_FOLDER)


def test_no_rental_is_rejected() -> None:
    """The batch must pass the quality gate of a stack that allows no rejected rentals."""
    results = load_expected_results()
    assert results.transformation["datasets"]["rentals"]["rejected"] == 0
    assert all(
        results.transformation["datasets"][dataset.name]["accepted"] > 0 for dataset in DATASETS
    )


def test_batch_shows_rejected_rows_and_every_warning() -> None:
    results = load_expected_results()
    assert all(results.transformation["warnings"].values())
    rejected = [counts["rejected"] for counts in results.transformation["datasets"].values()]
    assert sum(rejected) > 0
    assert [table.name for table in KPI_TABLES] == list(results.tables)
