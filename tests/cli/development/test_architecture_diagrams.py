"""The generated parts of the pages in `docs/`: current, valid, and complete."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable

import pytest

from cli.development.architecture import DOCS, PAGES, update_sections, updated_page
from cli.development.diagrams.imports import (
    folder_table,
    local_imports_diagram,
    source_imports_diagram,
)
from cli.development.diagrams.mermaid import Edge, Group, Node, flowchart
from cli.development.diagrams.state_machine import DEFINITION, state_machine_diagram
from cli.development.diagrams.template import (
    Template,
    data_access_table,
    outputs_table,
    parameters_table,
    triggers_diagram,
)

DIAGRAMS = [
    local_imports_diagram,
    source_imports_diagram,
    state_machine_diagram,
    triggers_diagram,
]
ARROW = re.compile(r' {4}(?P<source>\w+) (-->|-\.->)(\|"[^"]*"\|)? (?P<target>\w+)')
NODE = re.compile(r' +(?P<node>n_\w+)[\[({]+"(?P<label>[^"]+)"[\])}]+')
GROUP = re.compile(r' +subgraph (?P<node>n_\w+)\["[^"]+"\]')


@pytest.mark.parametrize("name", PAGES)
def test_generated_sections_are_up_to_date(name: str) -> None:
    assert (DOCS / name).read_text(encoding="utf-8") == updated_page(name), (
        "The template, the state machine, or an import changed: run `./run diagrams`"
    )


@pytest.mark.parametrize("diagram", DIAGRAMS, ids=lambda diagram: diagram.__name__)
def test_diagram_lines_are_nodes_groups_or_arrows(diagram: Callable[[], str]) -> None:
    opening, header, *lines, closing = diagram().splitlines()
    assert opening == "```mermaid"
    assert header in ("flowchart LR", "flowchart TB")
    assert closing == "```"
    for line in lines:
        assert any(form.fullmatch(line) for form in (ARROW, NODE, GROUP, re.compile(" +end")))


@pytest.mark.parametrize("diagram", DIAGRAMS, ids=lambda diagram: diagram.__name__)
def test_diagram_arrows_connect_declared_nodes(diagram: Callable[[], str]) -> None:
    lines = diagram().splitlines()
    declared = [
        found["node"] for line in lines for form in (NODE, GROUP) if (found := form.fullmatch(line))
    ]
    assert len(declared) == len(set(declared))
    arrows = [found for line in lines if (found := ARROW.fullmatch(line))]
    assert arrows
    assert {arrow[end] for arrow in arrows for end in ("source", "target")} <= set(declared)


def test_state_machine_diagram_has_every_transition() -> None:
    definition = json.loads(DEFINITION.read_text(encoding="utf-8"))
    expected = {("start", definition["StartAt"])}
    for name, state in definition["States"].items():
        following = [state, *state.get("Choices", []), *state.get("Catch", [])]
        targets = [step["Next"] for step in following if "Next" in step]
        targets += [state["Default"]] if "Default" in state else []
        targets += ["end"] if state.get("End") else []
        expected |= {(name, target) for target in targets}
    assert _arrows(state_machine_diagram()) == expected


def test_state_machine_diagram_shows_branches_inside_the_parallel_state() -> None:
    lines = state_machine_diagram().splitlines()
    begin = lines.index('    subgraph n_RunJobs["RunJobs (Parallel)"]')
    inside = lines[begin + 1 : lines.index("    end", begin)]
    assert [line.split('"')[1].split("<br>")[0] for line in inside] == [
        "RunTransformation",
        "RunKpis",
    ]


def test_every_function_in_the_triggers_diagram_has_a_trigger() -> None:
    functions = {name for name, _ in Template().of_type("AWS::Serverless::Function")}
    assert functions
    triggered = {target for _, target in _arrows(triggers_diagram())}
    assert functions <= triggered


def test_triggers_diagram_leads_from_an_upload_to_both_ends_of_a_run() -> None:
    arrows = _arrows(triggers_diagram())
    path = ["DataBucket", "UploadRule", "ReceiveUploadFunction", "Pipeline", "EMR_cluster"]
    assert set(itertools.pairwise(path)) <= arrows
    assert ("Pipeline", "PublishResultsFunction") in arrows
    assert ("Pipeline", "ExecutionEndedRule") in arrows
    assert ("PublishResultsFunction", "ReportTopic") in arrows


def test_data_access_table_lists_what_the_jobs_write() -> None:
    (jobs,) = [line for line in data_access_table().splitlines() if "EmrInstanceProfile" in line]
    _, _, reads, writes, _ = jobs.split("|")
    assert "`batches/`" in reads
    assert "`batches/`" not in writes
    assert "`kpi_output/`" in writes


def test_parameter_and_output_tables_have_one_complete_row_for_each() -> None:
    template = Template()
    for text, names in (
        (parameters_table(), template.parameters),
        (outputs_table(), template.outputs),
    ):
        rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()[2:]]
        assert [row[0] for row in rows] == [f"`{name}`" for name in names]
        assert all(all(row) for row in rows)


def test_import_diagram_has_no_arrow_against_the_layers() -> None:
    arrows = _arrows(source_imports_diagram())
    assert ("handlers", "pipeline_intake") in arrows
    assert not [arrow for arrow in arrows if arrow[0] == "contract"]


def test_every_folder_has_a_description() -> None:
    rows = [line.split("|")[1:3] for line in folder_table().splitlines()[2:]]
    assert len(rows) > 20
    assert [folder.strip() for folder, description in rows if not description.strip()] == []


def test_sections_are_replaced_and_other_text_stays() -> None:
    page = "before\n<!-- begin generated: a -->old<!-- end generated: a -->\nafter\n"
    expected = "before\n<!-- begin generated: a -->\n\nnew\n\n<!-- end generated: a -->\nafter\n"
    assert update_sections(page, {"a": lambda: "new"}) == expected
    assert update_sections(expected, {"a": lambda: "new"}) == expected


@pytest.mark.parametrize(
    "page",
    [
        "",
        "<!-- begin generated: a -->",
        "<!-- end generated: a --><!-- begin generated: a -->",
        "<!-- begin generated: a --><!-- end generated: a -->" * 2,
    ],
)
def test_missing_or_repeated_markers_are_reported(page: str) -> None:
    with pytest.raises(ValueError, match="needs one section 'a'"):
        update_sections(page, {"a": lambda: "new"})


def test_labels_are_escaped_and_identifiers_are_no_keywords() -> None:
    root = Group("", "", [Node("end", ['a "b" <c> & d'])])
    text = flowchart("LR", root, [Edge("end", "end", "x < y")])
    assert 'n_end["a &quot;b&quot; &lt;c&gt; &amp; d"]' in text
    assert 'n_end -->|"x &lt; y"| n_end' in text


def _arrows(diagram: str) -> set[tuple[str, str]]:
    """Return the arrows of a diagram as pairs of node names."""
    found = (ARROW.fullmatch(line) for line in diagram.splitlines())
    return {
        (arrow["source"].removeprefix("n_"), arrow["target"].removeprefix("n_"))
        for arrow in found
        if arrow
    }
