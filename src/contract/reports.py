"""What each job counted: `transformation.json` and `kpis.json` (data contract, section 5)."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from typing import Any

NO_ACCEPTED_RENTAL = "no accepted rental: every row of rental_transactions.csv was rejected"


def money(amount: Decimal | None) -> str:
    """An amount as a string with two decimals; nothing added up is zero."""
    return f"{amount or Decimal(0):.2f}"


@dataclass(frozen=True)
class DatasetCounts:
    """What became of a dataset's rows; `reasons` counts each reject code that occurred."""

    read: int
    accepted: int
    rejected: int
    reasons: dict[str, int]


@dataclass(frozen=True)
class TransformationReport:
    """`transformation.json`; `problem` is there only where the run cannot pass its quality gate."""

    run_id: str
    datasets: dict[str, DatasetCounts]
    warnings: dict[str, int]
    accepted_revenue: str
    problem: str | None = None

    def to_json(self) -> str:
        return _json(self)


@dataclass(frozen=True)
class TableTotals:
    """A KPI table's rows, and the rentals and revenue that they add up to."""

    rows: int
    total_transactions: int
    total_revenue: str


@dataclass(frozen=True)
class KpiReport:
    """`kpis.json`; `problem` as in the transformation's report."""

    run_id: str
    tables: dict[str, TableTotals] = field(default_factory=dict)
    problem: str | None = None

    def to_json(self) -> str:
        return _json(self)


def _json(report: Any) -> str:
    content = {key: value for key, value in asdict(report).items() if value is not None}
    return json.dumps(content, indent=2) + "\n"
