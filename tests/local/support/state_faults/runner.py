"""Runs with faults, on a deployed template whose watchdog nothing invokes but the tests.

The events about the uploads are lost, too, so that one search for lost uploads starts all runs at
the same time. Otherwise, the functions that receive the uploads would need most of the time.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from local import deployment
from local.cloud import start, stop
from local.mailbox import confirm_subscriptions
from sample_data import write_sample
from tests.local.support.programs import create_precomputed_programs
from tests.local.support.runs import get_run_id, invoke_function
from tests.local.support.stack import Stack
from tests.local.support.state_faults.cases import Case
from tests.local.support.state_faults.server import FAULTS_FOLDER, INJECTED_SUFFIX
from tests.support.events import load_event
from tests.support.waiting import wait_until

_SERVER_MODULE = "tests.local.support.state_faults.server"
# Without the events about their ends, runs keep their slots until a test invokes the watchdog.
_MAX_CONCURRENT_RUNS = 50
_RULES = ("ExecutionEndedRule", "LostUploadSchedule", "UploadRule", "WatchdogSchedule")
# The default is shorter, but runs at the same time wait longer for the crawler and the pointer.
_WAIT_SCALE = "0.05"
_RUN_TIMEOUT = 240.0  # seconds
_SAMPLE_FOLDER = "sample"


@dataclass(frozen=True)
class Run:
    """A run with faults that has ended.

    Attributes:
        case: The case.
        batch: The name of the batch.
        execution: The response of DescribeExecution.
        injected: The labels of the faults that occurred, each as often as it did.
    """

    case: Case
    batch: str
    execution: Mapping[str, Any]
    injected: list[str]

    @property
    def run_id(self) -> str:
        """The ID of the run."""
        return get_run_id(self.execution)


@contextmanager
def faulty_stack(folder: Path) -> Iterator[Stack]:
    """Deploy the template to a local cloud that injects faults, during the block.

    No event and no schedule invokes a function.

    Args:
        folder: An empty folder.
    """
    programs = folder / "programs"
    programs.mkdir(parents=True)
    sample = folder / _SAMPLE_FOLDER
    write_sample(sample, rentals=40, seed=8)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOCAL_PROGRAMS", str(create_precomputed_programs(programs, sample)))
        patch.setenv("LOCAL_EMR_START_SECONDS", "0.2")
        patch.setenv("SFN_WAIT_SCALE", _WAIT_SCALE)
        cloud = start(folder / "cloud", server_module=_SERVER_MODULE)
    try:
        (cloud.folder / FAULTS_FOLDER).mkdir()
        parameters = {"MaxConcurrentRuns": str(_MAX_CONCURRENT_RUNS)}
        stack = Stack(cloud, deployment.STACK, deployment.deploy(cloud, parameters=parameters))
        confirm_subscriptions(cloud)
        for rule in _RULES:
            stack.client("events").disable_rule(Name=stack.get_physical_id(rule))
        yield stack
    finally:
        stop(cloud.folder)


def run_cases(stack: Stack, cases: Mapping[str, Case]) -> list[Run]:
    """Run cases at the same time, and wait until their executions have ended.

    Args:
        stack: The stack of `faulty_stack`.
        cases: The cases by the name of their batch.
    """
    folder = stack.cloud.folder / FAULTS_FOLDER
    for batch, case in cases.items():
        faults = json.dumps([fault.to_dict() for fault in case.faults])
        (folder / f"{batch}.json").write_text(faults)
        stack.upload_batch(stack.cloud.folder.parent / _SAMPLE_FOLDER, batch)
    invoke_function(stack, "WatchdogFunction", load_event("find_lost_uploads"))
    ended: dict[str, str] = {}

    def have_ended() -> bool:
        ended.update(_find_ended_executions(stack, cases))
        return ended.keys() == cases.keys()

    assert wait_until(have_ended, _RUN_TIMEOUT), f"not ended: {cases.keys() - ended.keys()}"
    runs = []
    for batch, case in cases.items():
        log = folder / f"{batch}{INJECTED_SUFFIX}"
        injected = log.read_text().splitlines() if log.is_file() else []
        runs.append(Run(case, batch, stack.describe_execution(ended[batch]), injected))
    return runs


def _find_ended_executions(stack: Stack, batches: Collection[str]) -> dict[str, str]:
    """Return the ARN of each batch's execution that has ended. A run ID begins with its batch."""
    pages = stack.client("stepfunctions").get_paginator("list_executions")
    return {
        batch: execution["executionArn"]
        for page in pages.paginate(stateMachineArn=stack.state_machine_arn)
        for execution in page["executions"]
        for batch in batches
        if execution["name"].startswith(f"{batch}-") and execution["status"] != "RUNNING"
    }


def sweep(stack: Stack) -> None:
    """Invoke the watchdog once, as its schedule does."""
    invoke_function(stack, "WatchdogFunction", load_event("schedule"))
