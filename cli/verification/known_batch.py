"""The batch of a verification, and what the pipeline must make of it.

The batch contains every column type, rejected rows in three files, and rentals with all warnings.
It has no rejected rental, so that it passes the quality gate whatever limit the stack has. The
expected values come from the oracle, which is an independent implementation of the data contract.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BATCH_FOLDER = Path(__file__).resolve().parent / "batch"
_EXPECTED_FILE = BATCH_FOLDER / "expected.json"

Row = dict[str, str | None]
"""The values of a row by column name, as Athena formats them."""


@dataclass(frozen=True)
class ExpectedResults:
    """What a run of the batch must produce.

    Attributes:
        transformation: The report of the transformation job, without the run ID.
        kpis: The report of the KPI job, without the run ID.
        tables: The rows of each KPI table.
    """

    transformation: Mapping[str, Any]
    kpis: Mapping[str, Any]
    tables: Mapping[str, Sequence[Row]]

    @property
    def revenue(self) -> str:
        """The revenue of the accepted rentals."""
        return str(self.transformation["accepted_revenue"])

    @property
    def rentals(self) -> int:
        """The number of accepted rentals."""
        return int(self.transformation["datasets"]["rentals"]["accepted"])


def load_expected_results() -> ExpectedResults:
    """Return what a run of the batch must produce."""
    return ExpectedResults(**json.loads(_EXPECTED_FILE.read_text("utf-8")))
