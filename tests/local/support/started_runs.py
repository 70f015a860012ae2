"""The runs of a deployed stack, in the order in which they started."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tests.local.support.stack import Stack


@dataclass(frozen=True)
class StartedRun:
    """An execution that has ended, with the claim that it carried out.

    Attributes:
        run_id: The run ID, which is the name of the execution.
        batch: The batch prefix.
        claimed_at: The time of the claim.
        started_at: When the execution started, in seconds since 1970.
        ended_at: When the execution ended, in seconds since 1970.
        status: The status of the execution.
        cause: Why the execution failed. Empty if it succeeded.
        result: `PUBLISHED` or `SUPERSEDED`. Empty if the execution failed.
    """

    run_id: str
    batch: str
    claimed_at: str
    started_at: float
    ended_at: float
    status: str
    cause: str
    result: str

    @property
    def claim(self) -> tuple[str, str]:
        """What determines the order in which waiting runs start."""
        return self.claimed_at, self.run_id


def list_executions(stack: Stack) -> list[dict[str, Any]]:
    """Return all executions of the stack's state machine, as ListExecutions describes them."""
    pages = stack.client("stepfunctions").get_paginator("list_executions")
    return [
        execution
        for page in pages.paginate(stateMachineArn=stack.state_machine_arn)
        for execution in page["executions"]
    ]


def count_ended_runs(stack: Stack) -> int:
    """Return how many executions have ended."""
    return sum(execution["status"] != "RUNNING" for execution in list_executions(stack))


def read_runs(stack: Stack) -> list[StartedRun]:
    """Return all runs, in the order of their starts. All executions must have ended."""
    executions = [stack.describe_execution(e["executionArn"]) for e in list_executions(stack)]
    return sorted(map(_create_run, executions), key=lambda run: run.started_at)


def _create_run(execution: dict[str, Any]) -> StartedRun:
    claim = json.loads(execution["input"])
    return StartedRun(
        run_id=execution["name"],
        batch=claim["batch"],
        claimed_at=claim["claimed_at"],
        started_at=execution["startDate"].timestamp(),
        ended_at=execution["stopDate"].timestamp(),
        status=execution["status"],
        cause=execution.get("cause", ""),
        result=json.loads(execution.get("output") or "{}").get("status", ""),
    )


def find_runs_out_of_order(runs: Sequence[StartedRun]) -> list[str]:
    """Return the IDs of the runs that started before a run that was claimed earlier.

    Args:
        runs: The runs in the order of their starts.
    """
    return [
        run.run_id
        for number, run in enumerate(runs)
        if any(later.claim < run.claim for later in runs[number + 1 :])
    ]


def count_concurrent_runs(runs: Sequence[StartedRun]) -> int:
    """Return the maximum number of runs that were in progress at the same time."""
    # At the same moment, an end comes first: it is what lets the next run start.
    changes = sorted([(run.ended_at, -1) for run in runs] + [(run.started_at, 1) for run in runs])
    in_progress = [0]
    for _, change in changes:
        in_progress.append(in_progress[-1] + change)
    return max(in_progress)
