"""Rules about the source code that no linter knows."""

from __future__ import annotations

import ast
import builtins
import collections
import decimal
import pathlib
import sys
import typing
from collections import defaultdict
from pathlib import Path

import pyspark.sql
import pyspark.sql.types
import pytest

from cli.development.data_dictionary import PAGE, data_dictionary

PROJECT = Path(__file__).resolve().parents[2]
SOURCE = PROJECT / "src"
MAX_MODULE_LINES = 400

# Classes that readers of Python and Spark code know under these names.
WELL_KNOWN = {
    name
    for module in (builtins, collections, decimal, pathlib, pyspark.sql, pyspark.sql.types, typing)
    for name in vars(module)
    if name[0].isupper()
}
# Names in Spark that collect data, leave the DataFrame API, or infer types.
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


@pytest.mark.parametrize("path", _modules(SOURCE / "contract"), ids=lambda path: path.name)
def test_contract_imports_only_the_standard_library(path: Path) -> None:
    assert _imports(path) <= sys.stdlib_module_names | {"contract"}


@pytest.mark.parametrize("path", _modules(SOURCE / "spark"), ids=lambda path: path.name)
def test_spark_code_uses_only_the_dataframe_api(path: Path) -> None:
    tree = ast.parse(path.read_text())
    used = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert not used & FORBIDDEN
    gateway = {name for name in used if name.startswith("_j")}
    assert not gateway or path.name == "storage.py"


@pytest.mark.parametrize("path", _modules(SOURCE / "spark"), ids=lambda path: path.name)
def test_no_spark_module_shadows_the_standard_library(path: Path) -> None:
    """The folder of an entry point comes first on the import path, so its modules would win."""
    assert path.stem not in sys.stdlib_module_names


def test_no_module_exceeds_the_line_limit() -> None:
    lengths = {
        path.relative_to(PROJECT).as_posix(): len(path.read_text().splitlines())
        for folder in ("src", "report", "cli", "local", "tests", "bench", "sample_data")
        for path in _modules(PROJECT / folder)
    }
    assert {path: length for path, length in lengths.items() if length > MAX_MODULE_LINES} == {}


def test_class_names_in_src_are_unique() -> None:
    owners = defaultdict(list)
    for path in _modules(SOURCE):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef):
                owners[node.name].append(path.relative_to(SOURCE).as_posix())
    assert {name: paths for name, paths in owners.items() if len(paths) > 1} == {}


@pytest.mark.parametrize("path", _modules(SOURCE), ids=lambda path: path.name)
def test_no_class_shadows_a_well_known_type(path: Path) -> None:
    body = ast.parse(path.read_text()).body
    assert not {node.name for node in body if isinstance(node, ast.ClassDef)} & WELL_KNOWN


def test_lock_files_pin_hashes_and_name_no_index() -> None:
    for file in sorted((PROJECT / "requirements").glob("*.txt")):
        lines = [line for line in file.read_text().splitlines() if not line.startswith("#")]
        packages = [line for line in lines if line and not line.startswith(" ")]
        assert packages
        assert all("==" in package for package in packages)
        assert not any("://" in line or "--index" in line for line in lines)
        assert sum("--hash=sha256:" in line for line in lines) >= len(packages)


def test_data_dictionary_matches_the_contract() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == data_dictionary(), "the contract changed: run `./run dictionary`"
