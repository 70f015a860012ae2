"""`docs/architecture.md`: the parts of the page that are generated from the sources."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from cli.development.diagrams.imports import (
    folder_table,
    local_imports_diagram,
    source_imports_diagram,
)
from cli.development.diagrams.state_machine import state_machine_diagram
from cli.development.diagrams.template import data_access_table, triggers_diagram
from local.errors import UserError

PAGE = Path(__file__).resolve().parents[2] / "docs" / "architecture.md"

SECTIONS: Mapping[str, Callable[[], str]] = {
    "triggers": triggers_diagram,
    "state-machine": state_machine_diagram,
    "data-access": data_access_table,
    "source-imports": source_imports_diagram,
    "local-imports": local_imports_diagram,
    "folders": folder_table,
}
"""The generated sections of the page, by the name in their markers."""


def write_architecture() -> None:
    """Update the generated sections of the page."""
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(update_sections(page, SECTIONS), encoding="utf-8")


def update_sections(page: str, sections: Mapping[str, Callable[[], str]]) -> str:
    """Return a page with the text between each pair of markers generated again.

    Args:
        page: Markdown with a pair of markers for each section.
        sections: Functions that return the text of a section, by the name in its markers.

    Raises:
        UserError: The page does not have exactly one pair of markers for a section.
    """
    for name, generate in sections.items():
        begin, end = f"<!-- begin generated: {name} -->", f"<!-- end generated: {name} -->"
        before, _, rest = page.partition(begin)
        if rest.count(end) != 1 or begin in rest:
            raise UserError(
                f"{PAGE.name} needs one section {name!r}: write the line {begin} and, below it, "
                f"the line {end} where the section belongs"
            )
        _, _, after = rest.partition(end)
        page = f"{before}{begin}\n\n{generate()}\n\n{end}{after}"
    return page
