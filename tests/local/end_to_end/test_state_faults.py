"""Faults in some states of the state machine, and one sweep of the watchdog.

The soak test of the same name injects every fault into every state. The oracle replaces Spark here.
"""

from __future__ import annotations

from pathlib import Path

from tests.local.support.state_faults.cases import create_case
from tests.local.support.state_faults.checks import find_problems, is_published, list_clusters
from tests.local.support.state_faults.faults import (
    ABORT,
    AFTER,
    BEFORE,
    ERROR,
    EXECUTION_TIMEOUT,
    LASTING_THROTTLE,
    THROTTLE,
    TIMEOUT,
)
from tests.local.support.state_faults.runner import faulty_stack, run_cases, sweep

CASES = {
    "not-started": create_case("InitializeVariables", EXECUTION_TIMEOUT, BEFORE),
    "throttled": create_case("PinInputs", THROTTLE, BEFORE),
    "unknown-cluster": create_case("CreateCluster", ABORT, AFTER),
    "no-step": create_case("RunKpis", TIMEOUT, BEFORE),
    "published": create_case("PublishResults", ERROR, AFTER),
    "not-recorded": create_case("RecordPublished", LASTING_THROTTLE, BEFORE),
    "not-reported": create_case("ReportFailure", ERROR, BEFORE),
}


def test_one_sweep_repairs_what_faults_leave(tmp_path: Path) -> None:
    """No cluster is left, the ledger is correct, and one email names each cause."""
    with faulty_stack(tmp_path) as stack:
        runs = {run.batch: run for run in run_cases(stack, CASES)}
        assert "TERMINATED" not in list_clusters(stack, runs["unknown-cluster"]).values()
        sweep(stack)
        problems = [problem for run in runs.values() for problem in find_problems(stack, run)]
        published = {batch for batch, run in runs.items() if is_published(stack, run)}
    assert problems == []
    assert published <= {"throttled", "published", "not-recorded"}
