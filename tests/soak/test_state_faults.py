"""Faults in every state of the state machine, on the local cloud.

Each run has one fault, or two if its state is entered only after another one. The events about the
ends of the executions are lost. One sweep of the watchdog must then leave no cluster, a correct
ledger, and exactly one email that names the cause.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from random import Random
from time import monotonic

from tests.local.support.runs import find_emails
from tests.local.support.stack import Stack
from tests.local.support.state_faults.cases import Case, list_cases
from tests.local.support.state_faults.checks import (
    count_clusters_left,
    find_problems,
    is_failure,
    is_published,
    list_clusters,
)
from tests.local.support.state_faults.runner import Run, faulty_stack, run_cases, sweep
from tests.soak.conftest import RecordFigures

RUNS_AT_ONCE = 8
LOGGER = logging.getLogger(__name__)  # to follow the test with --log-cli-level=INFO


class _Results:
    """The figures and the violations of all runs."""

    def __init__(self) -> None:
        self.statuses: Counter[str] = Counter()
        self.counts: Counter[str] = Counter()
        self.violations: list[str] = []

    def add(self, stack: Stack, run: Run) -> None:
        """Check a run after a sweep."""
        self.violations += find_problems(stack, run)
        self.statuses[run.execution["status"]] += 1
        failures = [is_failure(email) for email in find_emails(stack, run.batch)]
        self.counts["injected faults"] += len(run.injected)
        self.counts["clusters"] += len(list_clusters(stack, run))
        self.counts["clusters left"] += count_clusters_left(stack, run)
        self.counts["published runs"] += is_published(stack, run)
        self.counts["emails about failures"] += sum(failures)
        self.counts["emails about results"] += len(failures) - sum(failures)


def test_faults_in_every_state(
    tmp_path: Path, seed: int, scaled: Callable[[int], int], record_figures: RecordFigures
) -> None:
    every_case = list_cases()
    cases = Random(seed).sample(every_case, min(scaled(len(every_case)), len(every_case)))
    begin, results = monotonic(), _Results()
    with faulty_stack(tmp_path) as stack:
        for number, group in enumerate(group_cases(cases)):
            runs = run_cases(stack, {f"group-{number}-{i}": case for i, case in enumerate(group)})
            sweep(stack)
            for run in runs:
                results.add(stack, run)
            LOGGER.info("group %d ended, violations until now: %s", number, results.violations)
    figures = {
        "cases": len(cases),
        "states": len({case.fault.state for case in cases}),
        "cases by fault": dict(Counter(case.fault.kind for case in cases)),
        "executions by status": dict(results.statuses),
        **results.counts,
        "violations": len(results.violations),
        "seconds": round(monotonic() - begin),
    }
    record_figures("state_faults", figures)
    assert results.violations == []


def group_cases(cases: Sequence[Case]) -> Iterator[Sequence[Case]]:
    """Yield the cases that run at the same time."""
    alone = [case for case in cases if case.needs_idle_crawler]
    others = [case for case in cases if not case.can_start_crawl]
    crawling = [case for case in cases if case not in alone and case not in others]
    for case in alone:
        companions, others = others[: RUNS_AT_ONCE - 1], others[RUNS_AT_ONCE - 1 :]
        yield [case, *companions]
    yield from batched([*crawling, *others])


def batched(cases: Sequence[Case]) -> Iterator[Sequence[Case]]:
    """Yield the cases in groups of the maximum size."""
    for start in range(0, len(cases), RUNS_AT_ONCE):
        yield cases[start : start + RUNS_AT_ONCE]
