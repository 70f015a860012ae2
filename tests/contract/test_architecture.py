"""Promises about the source itself."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

from cli.development.data_dictionary import PAGE, data_dictionary

PROJECT = Path(__file__).resolve().parents[2]
SOURCE = PROJECT / "src"
LONGEST_MODULE = 400

# What each package of src/ may import of the others; nothing there knows cli/ or local/.
ALLOWED = {
    "contract": {"contract"},
    "spark": {"spark", "contract"},
    "pipeline": {"pipeline", "contract"},
    "handlers": {"handlers", "pipeline", "contract"},
}
OURS = {*ALLOWED, "cli", "local", "tests"}
# Words of Spark that would collect data, leave the DataFrame API, or let Spark guess types.
FORBIDDEN = {"collect", "udf", "pandas_udf", "rdd", "sparkContext", "inferSchema", "toPandas"}


def _modules(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*.py") if ".venv" not in path.parts)


def _imports(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("path", _modules(SOURCE), ids=lambda path: path.name)
def test_imports_go_one_way(path: Path) -> None:
    package = path.relative_to(SOURCE).parts[0]
    assert _imports(path) & OURS <= ALLOWED[package]


@pytest.mark.parametrize("path", _modules(PROJECT / "local"), ids=lambda path: path.name)
def test_the_local_cloud_knows_the_contract_and_no_command(path: Path) -> None:
    assert _imports(path) & OURS <= {"local", "contract", "pipeline"}


@pytest.mark.parametrize("path", _modules(SOURCE / "contract"), ids=lambda path: path.name)
def test_the_contract_needs_the_standard_library_alone(path: Path) -> None:
    assert _imports(path) <= sys.stdlib_module_names | {"contract"}


@pytest.mark.parametrize("path", _modules(SOURCE / "spark"), ids=lambda path: path.name)
def test_the_jobs_keep_to_the_dataframe_api(path: Path) -> None:
    tree = ast.parse(path.read_text())
    used = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert not used & FORBIDDEN
    gateway = {name for name in used if name.startswith("_j")}
    assert not gateway or path.name == "storage.py"


@pytest.mark.parametrize("path", _modules(SOURCE / "spark"), ids=lambda path: path.name)
def test_no_module_hides_one_of_the_standard_library(path: Path) -> None:
    """Python puts an entry point's folder first, so such a name would be found instead."""
    assert path.stem not in sys.stdlib_module_names


def test_no_module_is_too_long() -> None:
    lengths = {
        path.relative_to(PROJECT).as_posix(): len(path.read_text().splitlines())
        for folder in ("src", "cli", "local", "tests", "bench")
        for path in _modules(PROJECT / folder)
    }
    assert {path: length for path, length in lengths.items() if length > LONGEST_MODULE} == {}


def test_lock_files_pin_by_hash_and_name_no_index() -> None:
    for file in sorted((PROJECT / "requirements").glob("*.txt")):
        lines = [line for line in file.read_text().splitlines() if not line.startswith("#")]
        packages = [line for line in lines if line and not line.startswith(" ")]
        assert packages
        assert all("==" in package for package in packages)
        assert not any("://" in line or "--index" in line for line in lines)
        assert sum("--hash=sha256:" in line for line in lines) >= len(packages)


def test_the_data_dictionary_says_what_the_contract_says() -> None:
    written = PAGE.read_text(encoding="utf-8")
    assert written == data_dictionary(), "the contract changed: run `./run dictionary`"
