"""The job reports `transformation.json` and `kpis.json`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from typing import Any

from contract.datasets import Dataset

_PROBLEM_SEPARATOR = "; "
_MONEY = re.compile(r"[0-9]+\.[0-9]{2}")


def describe_no_accepted_rows(dataset: Dataset) -> str:
    """Return the problem of a run in which every row of a dataset was rejected."""
    return f"no accepted {dataset.name}: every row of {dataset.file} was rejected"


def join_problems(problems: Iterable[str]) -> str | None:
    """Return the problems as the text of a report, or `None` if there are none."""
    return _PROBLEM_SEPARATOR.join(problems) or None


def split_problems(text: str | None) -> list[str]:
    """Return the problems that `join_problems` joined."""
    return text.split(_PROBLEM_SEPARATOR) if text else []


def format_money(amount: Decimal | None) -> str:
    """Return the amount as text with two decimal places; `None`, the sum of no rows, is zero."""
    return f"{amount or Decimal(0):.2f}"


def parse_money(text: str) -> Decimal:
    """Parse an amount that `format_money` returned.

    Raises:
        ValueError: The text is not such an amount.
    """
    if not _MONEY.fullmatch(text):
        raise ValueError(f"{text!r} is not an amount with two decimal places")
    return Decimal(text)


@dataclass(frozen=True)
class DatasetCounts:
    """The numbers of read, accepted, and rejected rows of a dataset.

    Attributes:
        read: The number of rows in the file.
        accepted: The number of accepted rows.
        rejected: The number of rejected rows.
        reasons: The number of rows with each reject code that occurred.
    """

    read: int
    accepted: int
    rejected: int
    reasons: dict[str, int]


@dataclass(frozen=True)
class TransformationReport:
    """The content of `transformation.json`.

    Attributes:
        run_id: The run ID.
        datasets: The row counts by dataset name.
        warnings: The number of rentals with each warning code, including zeros.
        accepted_revenue: The revenue of the accepted rentals, as `format_money` returns it.
        problem: The reasons why the run must not pass the quality gate, if any.
    """

    run_id: str
    datasets: dict[str, DatasetCounts]
    warnings: dict[str, int]
    accepted_revenue: str
    problem: str | None = None

    @property
    def revenue(self) -> Decimal:
        """The revenue as a number."""
        return parse_money(self.accepted_revenue)

    def to_json(self) -> str:
        """Return the content of the report file."""
        return _json(self)

    @classmethod
    def from_json(cls, text: str) -> TransformationReport:
        """Parse the content of a report file.

        Raises:
            ValueError: The text is not such a report.
        """
        try:
            content = json.loads(text)
            datasets = {
                name: DatasetCounts(**counts) for name, counts in content["datasets"].items()
            }
            report = cls(**{**content, "datasets": datasets})
            parse_money(report.accepted_revenue)
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError(f"missing or invalid content: {error!r}") from error
        return report


@dataclass(frozen=True)
class TableTotals:
    """The totals of a KPI table.

    Attributes:
        rows: The number of rows.
        total_transactions: The number of rentals that the rows add up to.
        total_revenue: The revenue that the rows add up to, as `format_money` returns it.
    """

    rows: int
    total_transactions: int
    total_revenue: str

    @property
    def revenue(self) -> Decimal:
        """The revenue as a number."""
        return parse_money(self.total_revenue)


@dataclass(frozen=True)
class KpiReport:
    """The content of `kpis.json`.

    Attributes:
        run_id: The run ID.
        tables: The totals by table name.
        problem: The reasons why the run must not pass the quality gate, if any.
    """

    run_id: str
    tables: dict[str, TableTotals] = field(default_factory=dict)
    problem: str | None = None

    def to_json(self) -> str:
        """Return the content of the report file."""
        return _json(self)

    @classmethod
    def from_json(cls, text: str) -> KpiReport:
        """Parse the content of a report file.

        Raises:
            ValueError: The text is not such a report.
        """
        try:
            content = json.loads(text)
            tables = {name: TableTotals(**totals) for name, totals in content["tables"].items()}
            for totals in tables.values():
                parse_money(totals.total_revenue)
            return cls(**{**content, "tables": tables})
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError(f"missing or invalid content: {error!r}") from error


def _json(report: Any) -> str:
    content = {key: value for key, value in asdict(report).items() if value is not None}
    return json.dumps(content, indent=2) + "\n"
