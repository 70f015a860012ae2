"""Tests of batches and runs that wait, on the deployed template.

Runs wait for a slot, held batches for a request, and lost uploads for the hourly search. The oracle
replaces Spark here.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from cli.operations.start import start_batch
from cli.target.account import open_local_cloud
from cli.target.stack import get_stack
from cli.target.target import Target
from contract.datasets import USERS
from local.errors import UserError
from sample_data import write_sample
from tests.local.support.runs import get_body, wait_for_only_email
from tests.local.support.stack import Stack
from tests.support.waiting import wait_until

pytestmark = pytest.mark.xdist_group("local")

INTAKE_FUNCTIONS = ("ReceiveUploadFunction", "WatchdogFunction")


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    """A folder with four valid files."""
    write_sample(tmp_path, rentals=40, seed=9)
    return tmp_path


def get_slots(stack: Stack) -> set[str]:
    """Return the runs that have a slot."""
    response = stack.client("dynamodb").get_item(
        TableName=stack.outputs["LedgerTableName"],
        Key={"id": {"S": "run_slots"}},
        ConsistentRead=True,
    )
    return set(response.get("Item", {}).get("runs", {}).get("SS", []))


def is_open(stack: Stack, key: str) -> bool:
    """Return whether an item of the ledger is in the index of open items."""
    pages = stack.client("dynamodb").get_paginator("scan")
    items = pages.paginate(TableName=stack.outputs["LedgerTableName"], IndexName="open-items")
    return any(item["id"]["S"] == key for page in items for item in page["Items"])


def test_runs_start_one_after_the_other_in_the_order_of_their_claims(
    stack: Stack, sample: Path
) -> None:
    """The end of each run, which is an event of the state machine, starts the next one."""
    batches = ["limit-c", "limit-a", "limit-b"]
    executions: list[dict[str, Any]] = []
    assert wait_until(lambda: not get_slots(stack), 30)
    with ExitStack() as changes:
        for function in INTAKE_FUNCTIONS:
            changes.enter_context(stack.with_variables(function, MAX_CONCURRENT_RUNS="1"))
        for batch in batches:
            stack.upload_batch(sample, batch)
            # The next batch must be claimed later.
            assert wait_until(partial(is_claimed, stack, batch), 30)
        for batch in batches:
            executions.append(stack.wait_for_run(batch, timeout=120))
            assert len(get_slots(stack)) <= 1
        assert wait_until(lambda: not get_slots(stack), 30)
    assert [execution["status"] for execution in executions] == ["SUCCEEDED"] * len(batches)
    for earlier, later in pairwise(executions):
        assert earlier["stopDate"] <= later["startDate"]
    # A finished run needs no attention, so the sweeps no longer read it.
    for execution in executions:
        assert not is_open(stack, f"run/{execution['name']}")


def is_claimed(stack: Stack, batch: str) -> bool:
    """Return whether the files of a batch have become a run."""
    response = stack.client("dynamodb").get_item(
        TableName=stack.outputs["LedgerTableName"],
        Key={"id": {"S": f"batch/raw/{batch}/"}},
        ConsistentRead=True,
    )
    return "claimed_versions" in response.get("Item", {})


def test_held_batch_starts_on_request(stack: Stack, sample: Path) -> None:
    batch, seconds = "held", 1.5
    with ExitStack() as changes:
        for function in INTAKE_FUNCTIONS:
            spread = f"{seconds / 3600:f}"
            changes.enter_context(stack.with_variables(function, MAX_UPLOAD_SPREAD_HOURS=spread))
        stack.client("s3").upload_file(
            str(sample / USERS.file), stack.bucket, f"raw/{batch}/{USERS.file}"
        )
        (sample / USERS.file).unlink()
        account = open_local_cloud(stack.cloud)
        target = Target(account, get_stack(account, stack.name), stack.cloud)
        with pytest.raises(UserError, match=f"batch raw/{batch}/ is incomplete"):
            start_batch(target, f"raw/{batch}/")
        uploaded_at = time.monotonic()
        # S3 rounds the time of an upload to seconds.
        assert wait_until(lambda: time.monotonic() - uploaded_at > seconds + 1, 10)
        stack.upload_batch(sample, batch)
        email = wait_for_only_email(stack, batch)
        assert email["Subject"] == f"Batch held: raw/{batch}/"
        assert f"\n./run start {batch}\n" in get_body(email)
        assert stack.list_executions(batch) == []

        assert "is claimed" in start_batch(target, f"raw/{batch}/")
        execution = stack.wait_for_run(batch)
        assert execution["status"] == "SUCCEEDED", execution.get("cause")
    assert len(stack.list_executions(batch)) == 1


def test_batch_whose_events_were_lost_is_found_by_the_hourly_search(
    stack: Stack, sample: Path
) -> None:
    events = stack.client("events")
    upload_rule = {"Name": stack.get_physical_id("UploadRule")}
    events.disable_rule(**upload_rule)
    try:
        stack.upload_batch(sample, "lost")
    finally:
        events.enable_rule(**upload_rule)
    # The rule of the stack, with a shorter interval.
    rule = {"Name": stack.get_physical_id("LostUploadSchedule")}
    expression = events.describe_rule(**rule)["ScheduleExpression"]
    assert expression == "rate(1 hour)"
    assert stack.list_executions("lost") == []
    events.put_rule(**rule, ScheduleExpression="rate(1 minute)")
    try:
        execution = stack.wait_for_run("lost", timeout=90)
    finally:
        events.put_rule(**rule, ScheduleExpression=expression)
    assert execution["status"] == "SUCCEEDED", execution.get("cause")


@pytest.mark.parametrize(
    ("role", "sid", "action"),
    [
        ("WatchdogRole", "QueryOpenItems", "dynamodb:Query"),
        ("WatchdogRole", "ReadAndUpdateBatches", "dynamodb:GetItem"),
        ("WatchdogRole", "ListUploadVersions", "s3:ListBucketVersions"),
    ],
)
def test_search_needs_its_permissions(stack: Stack, role: str, sid: str, action: str) -> None:
    """The local cloud enforces the permissions for the index, the items, and the prefix."""
    with stack.without_statement(role, sid):
        response = stack.client("lambda").invoke(
            FunctionName=stack.get_physical_id("WatchdogFunction"),
            Payload=b'{"detail-type": "Find Lost Uploads"}',
        )
        assert "FunctionError" in response
        response["Payload"].read()
    assert action in stack.read_log("watchdog")
