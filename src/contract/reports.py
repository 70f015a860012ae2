"""What each job counted: `transformation.json` and `kpis.json` (data contract, section 5)."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from typing import Any

NO_ACCEPTED_RENTAL = "no accepted rental: every row of rental_transactions.csv was rejected"
_MONEY = re.compile(r"[0-9]+\.[0-9]{2}")


def format_money(parse_money: Decimal | None) -> str:
    """An amount as a string with two decimals; nothing added up is zero."""
    return f"{parse_money or Decimal(0):.2f}"


def parse_money(text: str) -> Decimal:
    """What `money` wrote, read back exactly; ValueError for anything else."""
    if not _MONEY.fullmatch(text):
        raise ValueError(f"{text!r} is no amount with two decimals")
    return Decimal(text)


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

    @property
    def revenue(self) -> Decimal:
        return parse_money(self.accepted_revenue)

    def to_json(self) -> str:
        return _json(self)

    @classmethod
    def from_json(cls, text: str) -> TransformationReport:
        """What `to_json` wrote, read back; ValueError for anything else."""
        try:
            content = json.loads(text)
            datasets = {name: DatasetCounts(**some) for name, some in content["datasets"].items()}
            report = cls(**{**content, "datasets": datasets})
            parse_money(report.accepted_revenue)
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError(f"not a transformation's report: {error}") from error
        return report


@dataclass(frozen=True)
class TableTotals:
    """A KPI table's rows, and the rentals and revenue that they add up to."""

    rows: int
    total_transactions: int
    total_revenue: str

    @property
    def revenue(self) -> Decimal:
        return parse_money(self.total_revenue)


@dataclass(frozen=True)
class KpiReport:
    """`kpis.json`; `problem` as in the transformation's report."""

    run_id: str
    tables: dict[str, TableTotals] = field(default_factory=dict)
    problem: str | None = None

    def to_json(self) -> str:
        return _json(self)

    @classmethod
    def from_json(cls, text: str) -> KpiReport:
        """What `to_json` wrote, read back; ValueError for anything else."""
        try:
            content = json.loads(text)
            tables = {name: TableTotals(**some) for name, some in content["tables"].items()}
            for totals in tables.values():
                parse_money(totals.total_revenue)
            return cls(**{**content, "tables": tables})
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError(f"not a KPI job's report: {error}") from error


def _json(report: Any) -> str:
    content = {key: value for key, value in asdict(report).items() if value is not None}
    return json.dumps(content, indent=2) + "\n"
