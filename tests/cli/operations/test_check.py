"""`./run check`: what it says about each file, its JSON document, and the exit code."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from cli.operations import check
from contract.reports import TransformationReport
from sample_data import write_sample
from tests.support.json_schemas import check_document
from tests.support.operator_stack import CommandLine
from tests.support.runs import create_transformation_report


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_sample(tmp_path / "in", rentals=5, error_rate=0.0, seed=1)
    return tmp_path / "in"


def test_valid_files(run: CommandLine, folder: Path) -> None:
    result = run("check", str(folder))
    assert result.exit_code == 0
    assert [line.split()[:2] for line in result.stdout.splitlines()] == [
        ["users.csv", "valid"],
        ["vehicles.csv", "valid"],
        ["locations.csv", "valid"],
        ["rental_transactions.csv", "valid"],
    ]
    document = run("check", str(folder), "--json").document
    check_document(document, "check")
    assert document["valid"] is True
    assert document["rows"] is None
    assert document["files"][0]["bytes"] == (folder / "users.csv").stat().st_size


def test_every_problem_of_every_file_is_named(run: CommandLine, folder: Path) -> None:
    (folder / "users.csv").unlink()
    (folder / "locations.csv").write_bytes(b"\x1f\x8b....")
    (folder / "vehicles.csv").write_text("a\x1b[31m,b\n1,2\n")
    for options in ([], ["--rows"]):
        result = run("check", str(folder), *options)
        assert result.exit_code == 2
        assert "file not found" in result.stdout
        assert "gzip" in result.stdout
        assert "\x1b" not in result.stdout
    result = run("check", str(folder), "--json")
    assert result.exit_code == 2
    check_document(result.document, "check")
    assert result.document["valid"] is False
    assert [bool(file["problems"]) for file in result.document["files"]] == [
        True,
        True,
        True,
        False,
    ]
    assert result.document["files"][0]["bytes"] is None


def test_missing_folder(run: CommandLine, tmp_path: Path) -> None:
    result = run("check", str(tmp_path / "nothing"))
    assert result.exit_code == 2
    assert "is not a folder" in result.stderr


@pytest.mark.parametrize(("problem", "exit_code"), [(None, 0), ("no accepted users", 2)])
def test_rows_are_counted_by_the_jobs(
    run: CommandLine,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    problem: str | None,
    exit_code: int,
) -> None:
    def count(checked: Path) -> TransformationReport:
        assert checked == folder
        return replace(create_transformation_report("check"), problem=problem)

    monkeypatch.setattr(check, "check_rows", count)
    result = run("check", str(folder), "--rows")
    assert result.exit_code == exit_code
    assert "rentals: missing_user_id" in result.stdout
    result = run("check", str(folder), "--rows", "--json")
    assert result.exit_code == exit_code
    check_document(result.document, "check")
    assert result.document["valid"] is (problem is None)
    assert result.document["rows"]["revenue"] == "600.50"
