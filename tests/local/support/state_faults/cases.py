"""The cases of a test of faults: every fault that can occur in a state of the state machine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from local.cloud import PROJECT_ROOT
from tests.local.support.state_faults.faults import (
    ABORT,
    AFTER,
    ERROR,
    EXECUTION_TIMEOUT,
    KINDS,
    LASTING_THROTTLE,
    THROTTLE,
    Fault,
)

# States that only a failed run enters, and the fault that leads there.
_PREREQUISITES = {
    "CheckCreateError": Fault("CreateCluster", THROTTLE),
    "WaitToRetryCreate": Fault("CreateCluster", THROTTLE),
    "TerminateClusterAfterFailure": Fault("RunKpis", ERROR),
    "ReportFailure": Fault("CheckRun", ERROR),
    "RecordFailed": Fault("CheckRun", ERROR),
    "Failed": Fault("CheckRun", ERROR),
}
# A run enters these states only if no other run has just started a crawl.
_CRAWL_STATES = {"CheckCrawlerState", "StartCrawler", "WaitForCrawl"}
_STATES_AFTER_CRAWL = {"PublishResults", "RecordPublished"}
_STATUSES = {ABORT: "ABORTED", EXECUTION_TIMEOUT: "TIMED_OUT"}
_STATUSES_BY_PRECEDENCE = ("ABORTED", "TIMED_OUT", "FAILED", "SUCCEEDED")


@dataclass(frozen=True)
class Case:
    """A run with a fault, and with another fault if the state is not entered without one."""

    fault: Fault
    prerequisite: Fault | None = None

    @property
    def faults(self) -> list[Fault]:
        """All faults of the run."""
        return [fault for fault in (self.prerequisite, self.fault) if fault]

    @property
    def execution_status(self) -> str:
        """The status with which the execution must end."""
        statuses = {_get_status(fault) for fault in self.faults}
        return next(status for status in _STATUSES_BY_PRECEDENCE if status in statuses)

    @property
    def needs_idle_crawler(self) -> bool:
        """Whether no other run may start a crawl at the same time."""
        return self.fault.state in _CRAWL_STATES

    @property
    def can_start_crawl(self) -> bool:
        """Whether the run can start a crawl before it ends."""
        can_reach_end = self.execution_status == "SUCCEEDED"
        return can_reach_end or self.fault.state in _CRAWL_STATES | _STATES_AFTER_CRAWL


def _get_status(fault: Fault) -> str:
    return "SUCCEEDED" if fault.kind == THROTTLE else _STATUSES.get(fault.kind, "FAILED")


def create_case(state: str, kind: str, moment: str) -> Case:
    """Return the case of a fault.

    Args:
        state: The name of the state.
        kind: The kind of the fault.
        moment: The moment of the fault.
    """
    return Case(Fault(state, kind, moment), _PREREQUISITES.get(state))


def list_cases() -> list[Case]:
    """Return a case for each state, kind, and moment that can occur."""
    definition = PROJECT_ROOT / "statemachine" / "pipeline.asl.json"
    states = json.loads(definition.read_text(encoding="utf-8"))["States"]
    return [
        Case(fault, _PREREQUISITES.get(name))
        for name, state in _iterate_states(states)
        for fault in _iterate_faults(name, state["Type"])
    ]


def _iterate_states(states: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, state in states.items():
        yield name, state
        for branch in state.get("Branches", ()):
            yield from _iterate_states(branch["States"])


def _iterate_faults(state: str, state_type: str) -> Iterator[Fault]:
    if state_type != "Task":
        # Nothing is called, so nothing can time out on its own or be throttled. A Fail state cannot
        # fail.
        kinds = (ABORT, EXECUTION_TIMEOUT) if state_type == "Fail" else (ERROR, *_STATUSES)
        yield from (Fault(state, kind) for kind in kinds)
        return
    for kind in KINDS:
        yield Fault(state, kind)
        if kind not in (THROTTLE, LASTING_THROTTLE):  # a throttled call has no effect
            yield Fault(state, kind, AFTER)
