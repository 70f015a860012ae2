"""Generate `docs/data-dictionary.md` from the data contract."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from contract import codes
from contract.datasets import DATASETS, Dataset
from contract.kpi_tables import COLUMN_DESCRIPTIONS, KPI_TABLES, KpiTable

PAGE = Path(__file__).resolve().parents[2] / "docs" / "data-dictionary.md"

_INTRODUCTION = """# Data dictionary

This page is generated from `src/contract/`. To change it, change the contract and run
`./run dictionary`.
"""

_REJECT_CODES = """## Reject codes

A row that breaks a rule is rejected: it is kept in the quarantine with its raw text and the
codes of all rules that it breaks. Other rows are accepted. Every row that is read is either
accepted or rejected.

| code | the row is rejected because |
| --- | --- |
| `malformed_row` | its number of fields differs from that of the header, or its quotation marks \
are not balanced; no other rule is checked |
| `missing_<column>` | the column is required, and the field is empty |
| `invalid_<column>` | the field is not empty, and does not have the format or range of its column |
| `end_not_after_start` | the rental does not end after it starts |
| `duplicate_<key>` | another row with the same key was accepted; of several valid rows with the \
same key, the one whose raw text sorts first is accepted |

`src/spark/cleaning/row_rules.py` contains one function per rule.
"""

_KPI_TABLES = """## KPI tables

The tables are computed from all accepted rentals. Every rental counts in every table, so the totals
of all tables are equal. A rental without a matching vehicle counts for the vehicle type and brand
`unknown`. Amounts and hours are rounded half up.
"""


def write_data_dictionary() -> None:
    """Write the page to `PAGE`."""
    PAGE.write_text(data_dictionary(), encoding="utf-8")


def data_dictionary() -> str:
    """Return the content of the page."""
    parts = [_INTRODUCTION, "## Input files\n", *map(_dataset_section, DATASETS)]
    parts += [_REJECT_CODES, "## Warning codes\n", _warnings_table()]
    parts += [_KPI_TABLES, *map(_kpi_table_section, KPI_TABLES)]
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
    rows = [
        (f"`{name}`", sql_type, _describe_kpi_column(table, name))
        for name, sql_type in table.columns_for(personal_data=True)
    ]
    section = f"### {table.name}\n\nOne row per {table.row_description}.\n\n"
    return section + _format_table(("column", "type", "description"), rows)


def _describe_kpi_column(table: KpiTable, name: str) -> str:
    is_personal = name in dict(table.personal_columns)
    condition = " (only if personal data is on)" if is_personal else ""
    return COLUMN_DESCRIPTIONS[name] + condition


def _warnings_table() -> str:
    rows = [(f"`{code}`", meaning) for code, meaning in codes.WARNINGS.items()]
    return _format_table(("code", "meaning"), rows)


def _format_codes(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _format_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
