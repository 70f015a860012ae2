"""Generation of `docs/data-dictionary.md` from the data contract."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from contract import codes
from contract.datasets import DATASETS, Dataset
from contract.kpi_tables import KPI_TABLES, KpiTable

PAGE = Path(__file__).resolve().parents[2] / "docs" / "data-dictionary.md"

_INTRODUCTION = """# Data dictionary

This page is generated from `src/contract/`. To change it, change the contract and run
`./run dictionary`.
"""


def write_data_dictionary() -> None:
    """Write the page to `PAGE`."""
    PAGE.write_text(data_dictionary(), encoding="utf-8")


def data_dictionary() -> str:
    """Return the content of the page."""
    parts = [_INTRODUCTION, "## Input files\n", *map(_dataset_section, DATASETS)]
    parts += ["## KPI tables\n", *map(_kpi_table_section, KPI_TABLES)]
    parts += ["## Warning codes\n", _format_codes(codes.WARNINGS) + "\n"]
    return "\n".join(parts)


def _dataset_section(dataset: Dataset) -> str:
    rows = [
        (
            f"`{column.name}`" + (" (key)" if column.name == dataset.key else ""),
            "yes" if column.required else "no",
            column.format.description,
            column.sql_type,
        )
        for column in dataset.columns
    ]
    rows += [(f"`{name}`", "", "derived", sql_type) for name, sql_type in dataset.derived]
    return (
        f"### {dataset.name}: `{dataset.file}`\n\n"
        + _format_table(("column", "required", "format", "type"), rows)
        + f"\nReject codes: {_format_codes(codes.reject_codes(dataset))}\n"
    )


def _kpi_table_section(table: KpiTable) -> str:
    rows = [(f"`{name}`", sql_type, "always") for name, sql_type in table.columns]
    rows += [
        (f"`{name}`", sql_type, "if personal data is on")
        for name, sql_type in table.personal_columns
    ]
    return f"### {table.name}\n\n" + _format_table(("column", "type", "present"), rows)


def _format_codes(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _format_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
