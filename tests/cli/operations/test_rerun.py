"""`./run rerun`: the input and the ID of the new run, and what it prints."""

from __future__ import annotations

import json
from typing import Any

import pytest

from contract.datasets import DATASETS
from contract.layout import pinned_key
from tests.support.operator_stack import BUCKET, CommandLine, OperatorStack, make_run_id


def read_input(stack: OperatorStack, run_id: str) -> dict[str, Any]:
    execution = stack.client("stepfunctions").describe_execution(
        executionArn=stack.target.get_execution_arn(run_id)
    )
    content: dict[str, Any] = json.loads(execution["input"])
    return content


def add_uploaded_run(stack: OperatorStack, batch: str = "2026-11") -> str:
    """Add a run whose uploaded versions exist, and return its ID."""
    run_id = stack.add_run(batch)
    content = read_input(stack, run_id)
    for file in content["files"]:
        file["version_id"] = stack.put_object(file["key"], b"x" * file["size"])
        # The version that the run reads is not the newest one.
        stack.put_object(file["key"], b"newer")
    new_id = make_run_id(batch, 99)
    stack.add_run(batch, 99, publish=False)
    execution = stack.get_execution(new_id)
    execution.execution_input = json.dumps(content)
    return new_id


def test_new_run_has_the_input_of_the_original(stack: OperatorStack, run: CommandLine) -> None:
    original = add_uploaded_run(stack)
    result = run.on_aws("rerun", original, "--yes")
    assert (result.exit_code, result.stdout) == (0, f"{original}-2\n")
    assert read_input(stack, f"{original}-2") == read_input(stack, original)


def test_repetitions_are_numbered(stack: OperatorStack, run: CommandLine) -> None:
    original = add_uploaded_run(stack)
    assert run.on_aws("rerun", original, "--yes").stdout == f"{original}-2\n"
    assert run.on_aws("rerun", f"{original}-2", "--yes").stdout == f"{original}-3\n"
    stack.put_reports(f"{original}-4")  # a run that Step Functions has forgotten
    assert run.on_aws("rerun", original, "--yes").stdout == f"{original}-5\n"


def test_pinned_copy_replaces_an_upload_that_is_gone(
    stack: OperatorStack, run: CommandLine
) -> None:
    original = add_uploaded_run(stack)
    [users, *others] = read_input(stack, original)["files"]
    stack.client("s3").delete_object(Bucket=BUCKET, Key=users["key"], VersionId=users["version_id"])
    assert run.on_aws("rerun", original, "--yes").exit_code == 0
    files = read_input(stack, f"{original}-2")["files"]
    assert files[1:] == others
    key = pinned_key(DATASETS[0], original)
    head = stack.client("s3").head_object(Bucket=BUCKET, Key=key)
    assert files[0] == {
        "dataset": "users",
        "key": key,
        "version_id": head["VersionId"],
        "size": len("pinned"),
        "warnings": [],
    }


def test_input_that_is_gone_everywhere_is_an_input_error(
    stack: OperatorStack, run: CommandLine
) -> None:
    original = stack.add_run("2026-11")
    for dataset in DATASETS:
        stack.client("s3").delete_object(Bucket=BUCKET, Key=pinned_key(dataset, original))
    result = run.on_aws("rerun", original, "--yes")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "the input of run" in result.stderr
    assert "is no longer kept" in result.stderr


def test_forgotten_run_is_repeated_from_its_record(stack: OperatorStack, run: CommandLine) -> None:
    run_id = make_run_id("2024-01")
    stack.put_reports(run_id)
    stack.put_object(
        f"published_runs/2024-01-02T08-00-00.000000Z-{run_id}.json",
        json.dumps(
            {
                "run_id": run_id,
                "published_at": "2024-01-02T08:00:00.000000Z",
                "batch": "raw/2024-01/",
                "claimed_at": "2024-01-02T07:00:00.000000Z",
            }
        ),
    )
    assert run.on_aws("rerun", run_id, "--yes").stdout == f"{run_id}-2\n"
    content = read_input(stack, f"{run_id}-2")
    assert content["batch"] == "raw/2024-01/"
    assert content["claimed_at"] == "2024-01-02T07:00:00.000000Z"
    assert [file["key"] for file in content["files"]] == [
        pinned_key(dataset, run_id) for dataset in DATASETS
    ]


def test_run_that_will_be_superseded_is_announced(stack: OperatorStack, run: CommandLine) -> None:
    original = add_uploaded_run(stack)
    newest = stack.add_run("2026-12")
    key = stack.list_keys("published_runs/")[-1]
    record = {
        "run_id": newest,
        "published_at": "2026-11-30T08:00:00.000000Z",
        "claimed_at": "2026-11-30T07:00:00.000000Z",
    }
    stack.put_object(key, json.dumps(record))
    result = run.on_aws("rerun", original, "--yes")
    assert result.exit_code == 0
    assert f"readers keep {newest}, which was claimed later" in result.stderr


@pytest.mark.parametrize("answer", [None, "n"])
def test_nothing_starts_without_a_confirmation(
    stack: OperatorStack, run: CommandLine, answer: str | None
) -> None:
    original = add_uploaded_run(stack)
    run.answer(answer)
    result = run.on_aws("rerun", original)
    assert (result.exit_code, result.stdout) == (2, "")
    assert (
        stack.target.client("stepfunctions")
        .list_executions(stateMachineArn=stack.target.state_machine_arn)["executions"]
        .__len__()
        == 2
    )
