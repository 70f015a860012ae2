"""`docs/data-dictionary.md`: the contract's tables, columns and codes as a page to read."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from contract import codes
from contract.datasets import DATASETS, Dataset
from contract.kpi_tables import KPI_TABLES, KpiTable

PAGE = Path(__file__).resolve().parents[2] / "docs" / "data-dictionary.md"

_HEAD = """# Data dictionary

Written from `src/contract/` by `./run dictionary`; change it there.
"""


def write_data_dictionary() -> None:
    """Write the page anew."""
    PAGE.write_text(data_dictionary(), encoding="utf-8")


def data_dictionary() -> str:
    """The page's text."""
    parts = [_HEAD, "## Input files\n", *map(_dataset, DATASETS)]
    parts += ["## KPI tables\n", *map(_kpi_table, KPI_TABLES)]
    parts += ["## Warnings\n", ", ".join(f"`{code}`" for code in codes.WARNINGS) + "\n"]
    return "\n".join(parts)


def _dataset(dataset: Dataset) -> str:
    rows = [
        (
            f"`{column.name}`" + (" (key)" if column.name == dataset.key else ""),
            "yes" if column.required else "",
            column.kind.words,
            column.sql_type,
        )
        for column in dataset.columns
    ]
    rows += [(f"`{name}`", "", "derived", sql_type) for name, sql_type in dataset.derived]
    reasons = ", ".join(f"`{code}`" for code in codes.reject_codes(dataset))
    return (
        f"### {dataset.name}: `{dataset.file}`\n\n"
        + _table(("column", "required", "written as", "type"), rows)
        + f"\nRejected as: {reasons}\n"
    )


def _kpi_table(table: KpiTable) -> str:
    rows = [(f"`{name}`", sql_type, "") for name, sql_type in table.columns]
    rows += [
        (f"`{name}`", sql_type, "with personal data on")
        for name, sql_type in table.personal_columns
    ]
    return f"### {table.name}\n\n" + _table(("column", "type", "only"), rows)


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = list(head)
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
