"""The run of a verification: its upload, its execution, and its identity."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from rich.console import Console
from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from cli.runs.live_view import watch_execution
from cli.target.account import Account
from cli.target.stack import Stack
from cli.verification.known_batch import BATCH_FOLDER
from contract.datasets import DATASETS
from contract.layout import VERIFICATION_PREFIX
from local.errors import UserError
from pipeline.aws.executions import (
    Execution,
    build_execution_arn,
    find_execution,
    parse_execution,
)
from pipeline.clock import utc_now
from pipeline.ledger.batch import BatchFile, Run, new_run
from pipeline.ledger.run_slots import RunSlots
from pipeline.ledger.table import LedgerTable

_LOCAL_POLL_SECONDS = 0.3
_AWS_POLL_SECONDS = 10.0
_START_TIMEOUT = 60.0  # seconds


@dataclass(frozen=True)
class VerificationRun:
    """A run that verifies a deployed stack.

    Attributes:
        account: The account of the stack.
        stack: The stack.
        run_id: ID of the run.
        batch: Prefix of its batch.
        started_at: Time at which its execution started.
    """

    account: Account
    stack: Stack
    run_id: str
    batch: str
    started_at: datetime

    @property
    def bucket(self) -> str:
        """Name of the data bucket."""
        return self.stack.outputs["BucketName"]

    @property
    def execution_arn(self) -> str:
        """ARN of the execution of the run."""
        return build_execution_arn(self.stack.outputs["StateMachineArn"], self.run_id)

    @property
    def ledger(self) -> LedgerTable:
        """The ledger of the stack."""
        return LedgerTable(self.account.client("dynamodb"), self.stack.outputs["LedgerTableName"])


def check_free_slot(account: Account, stack: Stack) -> None:
    """Check that another run can start now: a verification must not delay real batches.

    Raises:
        UserError: As many runs as allowed are in progress.
    """
    maximum = int(stack.parameters["MaxConcurrentRuns"])
    table = LedgerTable(account.client("dynamodb"), stack.outputs["LedgerTableName"])
    slots = RunSlots(table, maximum)
    runs = slots.list_runs()
    if not slots.has_free_slot(runs):
        raise UserError(
            f"{len(runs)} runs are in progress, and the stack allows {maximum}"
            " (MaxConcurrentRuns): verify it when one of them has ended"
        )


def start_run(account: Account, stack: Stack) -> VerificationRun:
    """Upload the batch, and start its run.

    The batch is outside `raw/`, so that no event starts a run of its own. The input of the
    execution is like that of any other run, and also says that the run must not be published.
    """
    name = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{uuid4().hex[:6]}"
    batch = f"{VERIFICATION_PREFIX}{name}/"
    s3 = account.client("s3")
    files = {}
    for dataset in DATASETS:
        content = (BATCH_FOLDER / dataset.file).read_bytes()
        key = f"{batch}{dataset.file}"
        version = s3.put_object(Bucket=stack.outputs["BucketName"], Key=key, Body=content)
        files[dataset.name] = BatchFile(
            dataset.name, key, version["VersionId"], len(content), "", ""
        )
    run = new_run(batch, files, claimed_at=utc_now())
    execution = account.client("stepfunctions").start_execution(
        stateMachineArn=stack.outputs["StateMachineArn"],
        name=run.run_id,
        input=build_execution_input(run),
    )
    return VerificationRun(account, stack, run.run_id, batch, execution["startDate"])


def build_execution_input(run: Run) -> str:
    """Return the input of an execution whose run is not published."""
    return json.dumps({**json.loads(run.execution_input), "publish": False}, sort_keys=True)


def find_run(account: Account, stack: Stack, run_id: str) -> tuple[VerificationRun, Execution]:
    """Return an earlier verification that has ended, and its execution.

    Raises:
        UserError: There is no such run, it is still running, or it is not a verification.
    """
    arn = build_execution_arn(stack.outputs["StateMachineArn"], run_id)
    stepfunctions = account.client("stepfunctions")
    try:
        description = stepfunctions.describe_execution(executionArn=arn)
    except stepfunctions.exceptions.ExecutionDoesNotExist:
        raise UserError(f"the stack {stack.name} has no run {run_id}") from None
    execution = parse_execution(description)
    if execution.input.get("publish") is not False:
        raise UserError(f"{run_id} is not a verification: its files are kept")
    if not execution.has_ended:
        raise UserError(f"{run_id} is still in progress: try again when it has ended")
    batch = execution.input["batch"]
    return VerificationRun(account, stack, run_id, batch, description["startDate"]), execution


def watch(run: VerificationRun, console: Console) -> Execution:
    """Show the execution of the run until it ends, and return it.

    Raises:
        WaitTimeoutError: The execution did not end in time.
    """
    stepfunctions = run.account.client("stepfunctions")
    # DescribeExecution is eventually consistent, and may not find a new execution at once.
    Retrying(
        retry=retry_if_result(lambda execution: execution is None),
        wait=wait_fixed(1),
        stop=stop_after_delay(_START_TIMEOUT),
    )(find_execution, stepfunctions, run.execution_arn)
    poll_seconds = _LOCAL_POLL_SECONDS if run.account.is_local else _AWS_POLL_SECONDS
    description: dict[str, Any] = watch_execution(
        stepfunctions, run.execution_arn, console, poll_seconds=poll_seconds
    )
    return parse_execution(description)
