"""The parts of the pages in `docs/` that are generated from the sources."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from cli.development.command_reference import (
    commands_reference,
    exit_codes_table,
    schemas_table,
)
from cli.development.diagrams.imports import (
    folder_table,
    local_imports_diagram,
    source_imports_diagram,
)
from cli.development.diagrams.state_machine import state_machine_diagram
from cli.development.diagrams.template import (
    data_access_table,
    outputs_table,
    parameters_table,
    triggers_diagram,
)
from cli.development.emails_page import list_email_sections
from cli.scale.page import SECTIONS as SCALE_SECTIONS
from local.errors import UserError

DOCS = Path(__file__).resolve().parents[2] / "docs"

PAGES: Mapping[str, Mapping[str, Callable[[], str]]] = {
    "architecture.md": {
        "triggers": triggers_diagram,
        "state-machine": state_machine_diagram,
        "data-access": data_access_table,
        "source-imports": source_imports_diagram,
        "local-imports": local_imports_diagram,
        "folders": folder_table,
    },
    "commands.md": {
        "exit-codes": exit_codes_table,
        "schemas": schemas_table,
        "commands": commands_reference,
    },
    "deployment.md": {
        "parameters": parameters_table,
        "outputs": outputs_table,
    },
    "emails.md": list_email_sections(),
    "scale.md": SCALE_SECTIONS,
}
"""The generated sections of each page in `docs/`, by the name in their markers."""


def write_diagrams() -> None:
    """Update the generated sections of all pages."""
    for name in PAGES:
        (DOCS / name).write_text(updated_page(name), encoding="utf-8")


def updated_page(name: str) -> str:
    """Return the text of a page in `docs/` with its sections regenerated.

    Raises:
        UserError: The page does not have one pair of markers for each of its sections.
    """
    page = (DOCS / name).read_text(encoding="utf-8")
    try:
        return update_sections(page, PAGES[name])
    except ValueError as error:
        raise UserError(f"docs/{name}: {error}") from error


def update_sections(page: str, sections: Mapping[str, Callable[[], str]]) -> str:
    """Return a page with the text between each pair of markers regenerated.

    Args:
        page: Markdown with a pair of markers for each section.
        sections: Functions that return the text of a section, by the name in its markers.

    Raises:
        ValueError: The page does not have exactly one pair of markers for a section.
    """
    for name, generate in sections.items():
        begin, end = f"<!-- begin generated: {name} -->", f"<!-- end generated: {name} -->"
        before, _, rest = page.partition(begin)
        if rest.count(end) != 1 or begin in rest:
            raise ValueError(
                f"the page needs one section {name!r}: write the line {begin} and, below it, the "
                f"line {end} where the section belongs"
            )
        _, _, after = rest.partition(end)
        page = f"{before}{begin}\n\n{generate()}\n\n{end}{after}"
    return page
