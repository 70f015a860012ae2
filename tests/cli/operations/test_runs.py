"""`./run runs`: which runs it lists, what it says about each, and its JSON document."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.support.json_schemas import check_document
from tests.support.operator_stack import CommandLine, OperatorStack, make_run_id
from tests.support.runs import create_transformation_report


@pytest.mark.usefixtures("stack")
def test_no_runs_are_no_error(run: CommandLine) -> None:
    result = run.on_aws("runs")
    assert (result.exit_code, result.stdout) == (0, "No runs.\n")
    document = run.on_aws("runs", "--json").document
    check_document(document, "runs")
    assert document["runs"] == []


def test_newest_run_is_first_and_readers_see_the_marked_one(
    stack: OperatorStack, run: CommandLine
) -> None:
    first = stack.add_run("2026-10")
    second = stack.add_run("2026-11")
    failed = stack.add_run("2026-12", status="FAILED", item={"error": "RunRejectedError"})
    result = run.on_aws("runs", "--json")
    check_document(result.document, "runs")
    runs = result.document["runs"]
    assert [entry["run_id"] for entry in runs] == [failed, second, first]
    assert [entry["published"] for entry in runs] == [False, True, False]
    assert [entry["status"] for entry in runs] == ["FAILED", "PUBLISHED", "PUBLISHED"]
    assert runs[0]["error"] == "RunRejectedError"
    assert runs[1]["rentals"] == {"read": 4, "accepted": 3, "rejected": 1}
    assert runs[1]["revenue"] == "600.50"
    assert runs[1]["seconds"] == 600
    assert runs[1]["started_at"] == "2026-11-20T10:01:00.000Z"
    table = run.on_aws("runs").stdout
    marked = [line for line in table.splitlines() if line.lstrip().startswith("*")]
    assert second in marked[0]
    assert len(marked) == 2


def test_change_is_against_the_run_that_readers_saw_before(
    stack: OperatorStack, run: CommandLine
) -> None:
    base = create_transformation_report()
    first = stack.add_run("a", report=replace(base, accepted_revenue="1000.00"))
    stack.add_run("b", status="SUPERSEDED", report=replace(base, accepted_revenue="5.00"))
    third = stack.add_run("c", report=replace(base, accepted_revenue="1028.60"))
    runs = {entry["run_id"]: entry for entry in run.on_aws("runs", "--json").document["runs"]}
    assert runs[third]["change"] == {"run_id": first, "revenue": "28.60", "percent": "2.86"}
    assert runs[first]["change"] is None
    assert runs[make_run_id("b")]["change"] is None


def test_base_of_zero_has_no_percentage(stack: OperatorStack, run: CommandLine) -> None:
    base = create_transformation_report()
    stack.add_run("a", report=replace(base, accepted_revenue="0.00"))
    stack.add_run("b", report=replace(base, accepted_revenue="10.00"))
    change = run.on_aws("runs", "--json").document["runs"][0]["change"]
    assert (change["revenue"], change["percent"]) == ("10.00", None)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--limit", "2"], [4, 3]),
        (["--status", "failed"], [3]),
        (["--status", "FAILED"], [3]),
        (["--status", "superseded"], []),
        (["--batch", "2026-11"], [4, 2]),
        (["--batch", "raw/2026-11/", "--limit", "1"], [4]),
        (["--since", "2026-11-20T10:30"], [4, 3]),
        (["--since", "2026-11-20"], [4, 3, 2, 1]),
        (["--since", "2026-11-21"], []),
    ],
)
def test_options_select_runs(
    stack: OperatorStack, run: CommandLine, options: list[str], expected: list[int]
) -> None:
    for number, (batch, status) in enumerate(
        [
            ("2026-10", "PUBLISHED"),
            ("2026-11", "PUBLISHED"),
            ("2026-10", "FAILED"),
            ("2026-11", "PUBLISHED"),
        ],
        start=1,
    ):
        stack.add_run(batch, number, status=status)
    runs = run.on_aws("runs", "--json", *options).document["runs"]
    assert [int(entry["run_id"][-20:], 16) for entry in runs] == expected


def test_claimed_run_without_a_slot_is_listed_first(stack: OperatorStack, run: CommandLine) -> None:
    stack.add_run("2026-10")
    waiting = make_run_id("2026-11")
    stack.put_item(
        {
            "id": "batch/raw/2026-11/",
            "claimed_runs": {waiting: {"claimed_at": "2026-11-21T08:00:00.000000Z", "files": []}},
            "open": "batch",
        }
    )
    result = run.on_aws("runs", "--json")
    check_document(result.document, "runs")
    entry = result.document["runs"][0]
    assert (entry["run_id"], entry["status"]) == (waiting, "WAITING")
    assert (entry["started_at"], entry["seconds"]) == (None, None)


def test_aborted_execution_has_failed_before_the_watchdog_records_it(
    stack: OperatorStack, run: CommandLine
) -> None:
    run_id = stack.add_run("2026-11", status="RUNNING")
    stack.client("stepfunctions").stop_execution(
        executionArn=stack.target.get_execution_arn(run_id)
    )
    assert run.on_aws("runs", "--json").document["runs"][0]["status"] == "FAILED"


def test_more_runs_than_one_page_are_listed(stack: OperatorStack, run: CommandLine) -> None:
    for number in range(105):
        stack.add_run("2026-11", number, status="RUNNING")
    runs = run.on_aws("runs", "--json", "--limit", "1000").document["runs"]
    assert [int(entry["run_id"][-20:], 16) for entry in runs] == list(range(104, -1, -1))


@pytest.mark.usefixtures("stack")
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--limit", "0"], "limit"),
        (["--status", "unknown"], "status"),
        (["--since", "yesterday"], "is not a time: write a day such as 2026-11-24"),
        (["--batch", "a/b"], "is not a batch"),
    ],
)
def test_invalid_options_end_with_exit_code_2(
    run: CommandLine, options: list[str], message: str
) -> None:
    result = run.on_aws("runs", *options)
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr


def test_hostile_names_stay_text(stack: OperatorStack, run: CommandLine) -> None:
    stack.add_run("a\x1b[31m\u202eb", run_id="strange-run")
    for options in ([], ["--json"]):
        output = run.on_aws("runs", *options).stdout
        assert "\x1b" not in output
        assert "\u202e" not in output
