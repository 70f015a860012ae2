"""`./run show`: everything about one run, its comparison, and the exit code."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from cli.runs.states import State
from tests.support.json_schemas import check_document
from tests.support.operator_stack import CommandLine, OperatorStack
from tests.support.runs import create_transformation_report

TIME = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def states(monkeypatch: pytest.MonkeyPatch) -> None:
    """The history of each execution: one hour with a cluster."""
    history = [
        State("PinInputs", "Task", 0, TIME, TIME, completed_seconds=5, result="done"),
        State("RunJobs", "Parallel", 0, TIME, TIME, completed_seconds=3600, result="done"),
        State("RunKpis", "Task", 1, TIME, TIME, completed_seconds=3600, result="done"),
    ]
    monkeypatch.setattr("cli.runs.run_details.read_states", lambda *_: history)


def test_published_run(stack: OperatorStack, run: CommandLine) -> None:
    first = stack.add_run("2026-10")
    second = stack.add_run("2026-11", 3)
    document = run.on_aws("show", "--json").document
    check_document(document, "run")
    content: dict[str, Any] = document["run"]
    assert content["run_id"] == second
    assert content["run_before"] == first
    assert content["published"] is True
    assert content["published_at"] == ["2026-11-20T10:02:00.000000Z"]
    assert content["files"][3] == {
        "dataset": "rentals",
        "key": "raw/2026-11/rental_transactions.csv",
        "version_id": "v3",
        "bytes": 100,
        "pinned_key": f"batches/run_id={second}/rental_transactions.csv",
    }
    assert content["datasets"][2]["reasons"] == [{"code": "invalid_zip_code", "rows": 1}]
    assert content["revenue"] == "600.50"
    assert [table["revenue"] for table in content["tables"]] == ["600.50"] * 5
    # One hour of two m7g.xlarge.
    assert content["estimated_cost"] == {"amount": "0.41", "currency": "USD"}
    assert content["failure"] is None
    assert content["states"][1]["seconds"] == 3600
    assert content["links"]["execution"].startswith("https://eu-west-1.console.aws.amazon.com/")
    text = run.on_aws("show").stdout
    assert f"Run {second}: PUBLISHED. Readers see this run." in text
    assert "Revenue: 600.50" in text
    assert "at most 0.41 USD" in text


def test_failed_run_says_why(stack: OperatorStack, run: CommandLine) -> None:
    stack.add_run("2026-11", status="FAILED")
    document = run.on_aws("show", "failed", "--json").document
    check_document(document, "run")
    assert document["run"]["failure"] == {
        "state": "CheckRun",
        "error": "RunRejectedError",
        "message": "RunRejectedError: too many rejections",
    }
    assert document["run"]["revenue"] is None
    text = run.on_aws("show", "failed").stdout
    assert "Failed in state CheckRun: RunRejectedError: too many rejections" in text


@pytest.mark.parametrize(
    ("status", "exit_code"),
    [("FAILED", 3), ("PUBLISHED", 0), ("SUPERSEDED", 0), ("VERIFIED", 0), ("RUNNING", 0)],
)
@pytest.mark.parametrize("as_json", [[], ["--json"]])
@pytest.mark.parametrize("against", [[], ["--against", "first"]])
def test_exit_status(
    stack: OperatorStack,
    run: CommandLine,
    status: str,
    exit_code: int,
    as_json: list[str],
    against: list[str],
) -> None:
    stack.add_run("first")
    stack.add_run("2026-11", status=status)
    assert run.on_aws("show", *as_json, *against).exit_code == 0
    result = run.on_aws("show", "2026-11", "--exit-status", *as_json, *against)
    assert result.exit_code == exit_code
    if as_json:
        check_document(result.document, "run")


def test_comparison_with_another_run(stack: OperatorStack, run: CommandLine) -> None:
    base = create_transformation_report()
    stack.add_run("a", 1, report=replace(base, accepted_revenue="500.50"))
    stack.add_run("b", 2, report=base)
    document = run.on_aws("show", "b", "--against", "a", "--json").document
    check_document(document, "run")
    against = document["run"]["against"]
    assert (against["revenue"], against["percent"]) == ("100.00", "19.98")
    assert against["changed_files"] == ["users", "vehicles", "locations", "rentals"]
    assert against["datasets"][0] == {"dataset": "users", "read": 0, "accepted": 0, "rejected": 0}
    text = run.on_aws("show", "b", "--against", "a").stdout
    assert "revenue  +100.00 (+20.0%)" in text
    same = run.on_aws("show", "a", "--against", "a", "--json").document["run"]["against"]
    assert (same["revenue"], same["changed_files"]) == ("0.00", [])


@pytest.mark.parametrize("argument", [["x"], ["latest", "--against", "x"]])
def test_unknown_run_ends_with_exit_code_2(
    stack: OperatorStack, run: CommandLine, argument: list[str]
) -> None:
    known = stack.add_run("2026-11")
    result = run.on_aws("show", *argument)
    assert (result.exit_code, result.stdout) == (2, "")
    assert known in result.stderr


def test_run_forgotten_by_step_functions_is_shown_from_its_reports(
    stack: OperatorStack, run: CommandLine
) -> None:
    stack.put_reports("2024-01-00000000000000000abc")
    stack.publish("2024-01-00000000000000000abc")
    document = run.on_aws("show", "2024-01", "--json").document
    check_document(document, "run")
    assert document["run"]["states"] == []
    assert document["run"]["files"] == []
    assert document["run"]["status"] == "PUBLISHED"
    assert document["run"]["revenue"] == "600.50"
