"""`./run rollback`: one more publication record, and what readers see before and after."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from contract.kpi_tables import KPI_TABLES
from contract.layout import kpi_prefix
from tests.support.operator_stack import BUCKET, CommandLine, OperatorStack
from tests.support.runs import create_transformation_report


def add_run(stack: OperatorStack, batch: str, revenue: str) -> str:
    report = replace(create_transformation_report(), accepted_revenue=revenue)
    run_id = stack.add_run(batch, report=report)
    for table in KPI_TABLES:
        stack.put_object(f"{kpi_prefix(table, run_id)}/part.parquet", "x")
    return run_id


def test_previous_run_becomes_visible_by_one_write(stack: OperatorStack, run: CommandLine) -> None:
    first = add_run(stack, "a", "100.00")
    second = add_run(stack, "b", "2000.50")
    before = stack.list_keys("")
    result = run.on_aws("rollback", "--reason", "b counted\x1b twice", "--yes")
    assert result.exit_code == 0
    assert "2,000.50" in result.stdout
    assert "100.00" in result.stdout
    [key] = sorted(set(stack.list_keys("")) - set(before))
    record = json.loads(stack.client("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read())
    assert record["run_id"] == first
    assert record["rollback_reason"] == "b counted\x1b twice"
    assert key == f"published_runs/{record['published_at'].replace(':', '-')}-{first}.json"
    runs = {entry["run_id"]: entry for entry in run.on_aws("runs", "--json").document["runs"]}
    assert (runs[first]["published"], runs[second]["published"]) == (True, False)
    times = run.on_aws("show", first, "--json").document["run"]["published_at"]
    assert len(times) == 2


def test_dry_run_writes_nothing_and_asks_nothing(stack: OperatorStack, run: CommandLine) -> None:
    add_run(stack, "a", "100.00")
    add_run(stack, "b", "2000.50")
    before = stack.list_keys("")
    run.answer(None)
    result = run.on_aws("rollback", "--dry-run")
    assert result.exit_code == 0
    assert [line.split()[0] for line in result.stdout.splitlines() if ".50" in line] == ["now"]
    assert stack.list_keys("") == before


def test_rollback_is_undone_by_naming_the_run(stack: OperatorStack, run: CommandLine) -> None:
    add_run(stack, "a", "100.00")
    second = add_run(stack, "b", "2000.50")
    assert run.on_aws("rollback", "--yes").exit_code == 0
    # There is no run before the first one: `previous` never names the run rolled back from.
    assert run.on_aws("rollback", "--yes").exit_code == 2
    assert run.on_aws("rollback", "b", "--yes").exit_code == 0
    assert run.on_aws("show", "published", "--json").document["run"]["run_id"] == second


def test_published_run_needs_no_rollback(stack: OperatorStack, run: CommandLine) -> None:
    published = add_run(stack, "a", "100.00")
    result = run.on_aws("rollback", published, "--yes")
    assert result.exit_code == 2
    assert f"readers see run {published} now" in result.stderr


@pytest.mark.parametrize("status", ["FAILED", "SUPERSEDED", "RUNNING"])
def test_run_that_was_never_published_is_refused(
    stack: OperatorStack, run: CommandLine, status: str
) -> None:
    add_run(stack, "a", "100.00")
    stack.add_run("b", status=status)
    result = run.on_aws("rollback", "b", "--yes")
    assert result.exit_code == 2
    assert "was never published" in result.stderr


def test_run_whose_tables_have_expired_is_refused(stack: OperatorStack, run: CommandLine) -> None:
    first = add_run(stack, "a", "100.00")
    add_run(stack, "b", "200.00")
    stack.client("s3").delete_object(
        Bucket=BUCKET, Key=f"{kpi_prefix(KPI_TABLES[-1], first)}/part.parquet"
    )
    result = run.on_aws("rollback", "--yes")
    assert result.exit_code == 2
    assert f"of run {first} is no longer kept (OutputRetentionDays)" in result.stderr


@pytest.mark.parametrize("answer", [None, "n"])
def test_readers_keep_their_run_without_a_confirmation(
    stack: OperatorStack, run: CommandLine, answer: str | None
) -> None:
    add_run(stack, "a", "100.00")
    add_run(stack, "b", "200.00")
    before = stack.list_keys("")
    run.answer(answer)
    assert run.on_aws("rollback").exit_code == 2
    assert stack.list_keys("") == before
