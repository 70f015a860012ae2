"""The state machine's definition as a flowchart."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from cli.development.diagrams.mermaid import Edge, Group, Node, flowchart

DEFINITION = Path(__file__).resolve().parents[3] / "statemachine" / "pipeline.asl.json"

_SHAPES = {"Choice": "diamond", "Wait": "rounded", "Fail": "pill", "Succeed": "pill"}
_START = "start"
_END = "end"
_LABEL_WIDTH = 44
_INTEGRATION = "arn:aws:states:::"


def state_machine_diagram() -> str:
    """Return the flowchart of all states: solid arrows for `Next`, dashed arrows for `Catch`."""
    definition = json.loads(DEFINITION.read_text(encoding="utf-8"))
    root = _states(definition, Group(_START, ""))
    root.nodes.insert(0, Node(_START, ["start"], "pill"))
    root.nodes.append(Node(_END, ["succeeded"], "pill"))
    edges = [Edge(_START, definition["StartAt"]), *_edges(definition["States"])]
    return flowchart("TB", root, edges)


def _states(definition: Mapping[str, Any], group: Group) -> Group:
    """Add the states to the group; a Parallel state becomes a group with its branches."""
    for name, state in definition["States"].items():
        if state["Type"] == "Parallel":
            branches = Group(name, f"{name} (Parallel)")
            for branch in state["Branches"]:
                _states(branch, branches)
            group.groups.append(branches)
        else:
            group.nodes.append(Node(name, _label(name, state), _SHAPES.get(state["Type"], "box")))
    return group


def _label(name: str, state: Mapping[str, Any]) -> list[str]:
    if state["Type"] == "Task":
        return [name, str(state["Resource"]).removeprefix(_INTEGRATION)]
    return [name, state["Type"]]


def _edges(states: Mapping[str, Any], is_branch: bool = False) -> Iterator[Edge]:
    for name, state in states.items():
        for branch in state.get("Branches", []):
            yield from _edges(branch["States"], is_branch=True)
        for choice in state.get("Choices", []):
            yield Edge(name, choice["Next"], _condition(choice["Condition"]))
        if "Default" in state:
            yield Edge(name, state["Default"], "otherwise")
        # The end of a branch is the end of its Parallel state, whose own arrow shows it.
        if not is_branch and (state.get("End") or state["Type"] == "Succeed"):
            yield Edge(name, _END)
        yield from _transitions(name, state)


def _transitions(name: str, state: Mapping[str, Any]) -> Iterator[Edge]:
    """Yield the arrows for `Next` and `Catch`; one arrow if both lead to the same state."""
    catches = state.get("Catch", [])
    if "Next" in state:
        continues = any(
            catch["ErrorEquals"] == ["States.ALL"] and catch["Next"] == state["Next"]
            for catch in catches
        )
        yield Edge(name, state["Next"], "also after an error" if continues else "")
        catches = [catch for catch in catches if not continues or catch["Next"] != state["Next"]]
    for catch in catches:
        errors = [error for error in catch["ErrorEquals"] if error != "States.ALL"]
        yield Edge(name, catch["Next"], "\n".join(errors), is_dashed=True)


def _condition(expression: str) -> str:
    """Return a JSONata expression without its delimiters, in lines that fit an arrow."""
    text = expression.removeprefix("{%").removesuffix("%}").strip()
    return "\n".join(textwrap.wrap(text, _LABEL_WIDTH, break_long_words=False))
