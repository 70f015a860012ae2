"""The imports between the folders of the source as flowcharts, and what each folder is for."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

from cli.development.diagrams.mermaid import Edge, Group, Node, flowchart
from cli.development.diagrams.tables import table

PROJECT = Path(__file__).resolve().parents[3]
SOURCE = PROJECT / "src"
LOCAL = PROJECT / "local"
REPORT = "report"
TOOLS = ("local", "cli", "sample_data", "bench")


def source_imports_diagram() -> str:
    """Return the imports between the folders of `src/`, with the report as one node."""
    packages = sorted(path.name for path in SOURCE.iterdir() if _is_package(path))
    folders = [folder for package in packages for folder in _folders(SOURCE / package, SOURCE)]
    return _diagram(folders, packages, SOURCE, others=[REPORT])


def local_imports_diagram() -> str:
    """Return the imports of the folders of `local/`, with each package of ours as one node."""
    folders = _folders(LOCAL, PROJECT)
    packages = sorted(path.name for path in SOURCE.iterdir() if _is_package(path))
    return _diagram(folders, ["local"], PROJECT, others=[*packages, REPORT])


def folder_table() -> str:
    """Return a table of all packages with the summaries of their docstrings."""
    roots = [(path, SOURCE) for path in sorted(SOURCE.iterdir()) if _is_package(path)]
    roots += [(PROJECT / name, PROJECT) for name in (REPORT, *TOOLS)]
    rows = [
        (f"`{_path(folder, root).relative_to(PROJECT).as_posix()}/`", _summary(_path(folder, root)))
        for package, root in roots
        for folder in _folders(package, root)
    ]
    return table(("folder", "contents"), rows)


def _is_package(path: Path) -> bool:
    return (path / "__init__.py").exists() or any(path.glob("*.py"))


def _folders(package: Path, root: Path) -> list[str]:
    """Return the dotted names of a package and the packages below it, outer before inner."""
    found = sorted({path.parent.relative_to(root).parts for path in package.rglob("*.py")})
    return [".".join(parts) for parts in found]


def _path(folder: str, root: Path) -> Path:
    return root.joinpath(*folder.split("."))


def _summary(path: Path) -> str:
    """Return the first paragraph of a package's docstring; empty if it has none."""
    module = path / "__init__.py"
    docstring = ast.get_docstring(ast.parse(module.read_text("utf-8"))) if module.exists() else ""
    return " ".join((docstring or "").partition("\n\n")[0].split())


def _diagram(
    folders: list[str], packages: Iterable[str], root: Path, others: Iterable[str] = ()
) -> str:
    """Return a flowchart with a group for each package that has subfolders.

    Args:
        folders: Dotted names of the folders to draw.
        packages: Top-level packages of these folders.
        root: The folder that the dotted names start from.
        others: Further packages, each drawn as one node whatever their subfolders.
    """
    others = list(others)
    edges = {
        Edge(folder, target)
        for folder in folders
        for name in _imported_modules(_path(folder, root))
        if (target := _closest(name, [*folders, *others])) and target != folder
    }
    drawing = Group("", "")
    for package in packages:
        inner = [folder for folder in folders if folder.split(".")[0] == package]
        if inner == [package]:
            drawing.nodes.append(Node(package, [f"{package}/"]))
            continue
        nodes = [Node(package, [f"{package}/*.py"])]
        nodes += [
            Node(folder, [folder.removeprefix(f"{package}.").replace(".", "/") + "/"])
            for folder in inner[1:]
        ]
        drawing.groups.append(Group(f"group {package}", f"{package}/", nodes))
    used = {edge.target for edge in edges}
    drawing.nodes += [Node(name, [f"{name}/"], "double box") for name in others if name in used]
    return flowchart("LR", drawing, sorted(edges))


def _imported_modules(folder: Path) -> Iterator[str]:
    """Yield the dotted names that the modules directly in a folder import."""
    for path in sorted(folder.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _closest(name: str, folders: Iterable[str]) -> str | None:
    """Return the innermost of the folders that contains the imported name."""
    containing = [folder for folder in folders if f"{name}.".startswith(f"{folder}.")]
    return max(containing, key=len, default=None)
