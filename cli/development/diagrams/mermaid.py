"""Text of Mermaid flowcharts, which GitHub draws in Markdown files."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

SHAPES = {
    "box": ("[", "]"),
    "rounded": ("(", ")"),
    "pill": ("([", "])"),
    "double box": ("[[", "]]"),
    "cylinder": ("[(", ")]"),
    "hexagon": ("{{", "}}"),
    "diamond": ("{", "}"),
}
_INDENT = "    "
# Mermaid draws labels as HTML. Its own `#...;` notation is not drawn correctly in all versions.
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"}


@dataclass(frozen=True)
class Node:
    """A node of a flowchart.

    Attributes:
        key: Any text that identifies the node within its flowchart.
        lines: The lines of its label.
        shape: One of `SHAPES`.
    """

    key: str
    lines: Sequence[str]
    shape: str = "box"


@dataclass(frozen=True, order=True)
class Edge:
    """An arrow between two nodes, given by their keys or by the key of a group."""

    source: str
    target: str
    label: str = ""
    is_dashed: bool = False


@dataclass
class Group:
    """Nodes in a frame with a title; a group can contain groups."""

    key: str
    title: str
    nodes: list[Node] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)


def flowchart(direction: str, root: Group, edges: Iterable[Edge]) -> str:
    """Return a flowchart as a fenced code block.

    Args:
        direction: `LR` (left to right) or `TB` (top to bottom).
        root: The nodes and groups to draw. Its own key and title are not drawn.
        edges: The arrows, in the order in which they are written.
    """
    lines = [f"flowchart {direction}", *_contents(root)]
    lines += [_edge(edge) for edge in edges]
    return "\n".join(["```mermaid", *lines, "```"])


def _contents(group: Group) -> list[str]:
    lines = [_node(node) for node in group.nodes]
    for inner in group.groups:
        lines.append(f'{_INDENT}subgraph {_identifier(inner.key)}["{_escape(inner.title)}"]')
        lines += [_INDENT + line for line in _contents(inner)]
        lines.append(f"{_INDENT}end")
    return lines


def _node(node: Node) -> str:
    opening, closing = SHAPES[node.shape]
    label = "<br>".join(_escape(line) for line in node.lines)
    return f'{_INDENT}{_identifier(node.key)}{opening}"{label}"{closing}'


def _edge(edge: Edge) -> str:
    arrow = "-.->" if edge.is_dashed else "-->"
    label = "<br>".join(_escape(line) for line in edge.label.splitlines())
    text = f'|"{label}"| ' if label else ""
    return f"{_INDENT}{_identifier(edge.source)} {arrow}{text or ' '}{_identifier(edge.target)}"


def _identifier(key: str) -> str:
    """Return an identifier that is not a keyword of Mermaid, such as `end`."""
    return "n_" + re.sub(r"\W", "_", key, flags=re.ASCII)


def _escape(text: str) -> str:
    return "".join(_ENTITIES.get(letter, letter) for letter in text)
