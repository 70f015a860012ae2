"""Kills of Spark at random moments of its writes leave no report, and change no other run.

The quality gate does not publish the run of a killed job. A repetition under the same run ID
replaces what the killed job has written, and equals a run that was not disturbed, row for row.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from random import Random

import pytest

from tests.soak.conftest import RecordFigures
from tests.support.killed_jobs import Victim
from tests.support.killed_runs import CLEAN_RUN, JOBS, TRANSFORMATION, Job, Lake
from tests.support.waiting import wait_until

KILLS = 20
RENTALS = 5_000
# Spark plans a query for much longer than it writes a small table. This share of the kills happens
# at most a moment after the first temporary file of a table has appeared.
SHARE_OF_WRITES = 2 / 3
MAX_WRITE_DELAY = 0.2  # seconds
POLL_SECONDS = 0.005
VICTIMS: tuple[Victim, ...] = ("process group", "JVM", "driver program")


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory, seed: int) -> Lake:
    """An output folder with two complete runs."""
    return Lake.create(tmp_path_factory.mktemp("lake"), RENTALS, seed)


def test_killed_jobs_can_be_repeated(
    lake: Lake, seed: int, scaled: Callable[[int], int], record_figures: RecordFigures
) -> None:
    cases = _Cases(lake)
    begin = time.monotonic()
    for number in range(3 * scaled(KILLS)):  # some jobs complete before they are killed
        if cases.counts["kills"] >= scaled(KILLS):
            break
        run_id = f"killed-{number // len(JOBS)}"
        cases.kill_and_repeat(JOBS[number % len(JOBS)], run_id, seed + number)
    record_figures(
        "spark_kills",
        {
            **dict(sorted(cases.counts.items())),
            "violations": len(cases.violations),
            "seconds": round(time.monotonic() - begin),
        },
    )
    assert cases.violations == []
    assert cases.counts["kills"] >= scaled(KILLS)


class _Cases:
    """The figures and the violations of all cases."""

    def __init__(self, lake: Lake) -> None:
        self.counts: Counter[str] = Counter()
        self.violations: list[str] = []
        self._lake = lake

    def kill_and_repeat(self, job: Job, run_id: str, seed: int) -> None:
        """Kill a job of a run at a random moment, and repeat it.

        Args:
            job: The job.
            run_id: The run. The earlier jobs of `JOBS` are complete.
            seed: The seed of the moment and of the process that is killed.
        """
        lake = self._lake
        before = lake.read_protected_files(job, run_id)
        has_been_killed = self._kill(job, run_id, Random(seed))
        violations = []
        if lake.has_report(job, run_id):
            self.counts["jobs that were complete before they could be killed"] += 1
        else:
            violations += self._check_killed_run(run_id)
            if not has_been_killed:
                violations.append("the job was not killed, and wrote no report")
            violations += _find_changes(before, lake.read_protected_files(job, run_id))
            lake.complete(job, run_id)
        violations += self._check_complete_run(job, run_id)
        violations += _find_changes(before, lake.read_protected_files(job, run_id))
        self.violations += [f"{job.label}, {run_id}, seed {seed}: {text}" for text in violations]

    def _kill(self, job: Job, run_id: str, chance: Random) -> bool:
        durations = self._lake.phases[job]
        phase = chance.randrange(len(durations))
        waits_for_write = chance.random() < SHARE_OF_WRITES
        delay = chance.random() * (MAX_WRITE_DELAY if waits_for_write else durations[phase])
        victim = chance.choice(VICTIMS)
        process = self._lake.start(job, run_id)
        process.wait_for_phase(phase + 1)
        if waits_for_write:
            wait_until(
                lambda: self._lake.is_writing(run_id) or not process.is_running,
                interval=POLL_SECONDS,
            )
        time.sleep(delay)
        has_been_killed = process.kill(victim)
        if not self._lake.has_report(job, run_id):
            self.counts.update(["kills", f"kills of {job.label}", f"kills of the {victim}"])
        return has_been_killed

    def _check_killed_run(self, run_id: str) -> list[str]:
        """Return what a reader could notice of a killed job."""
        lake = self._lake
        self.counts["kills during the write of a table"] += bool(lake.find_unfinished_files(run_id))
        violations = [f"unreadable: {name}" for name in lake.find_unreadable_files(run_id)]
        if lake.passes_quality_gate(run_id):
            violations.append("the quality gate accepts the killed run")
        return violations

    def _check_complete_run(self, job: Job, run_id: str) -> list[str]:
        """Return what distinguishes a complete job from the same job of the clean run."""
        lake = self._lake
        violations = [f"left behind: {name}" for name in lake.find_unfinished_files(run_id)]
        if lake.read_results(job, run_id) != lake.read_results(job, CLEAN_RUN):
            violations.append("the run differs from the clean run")
        is_complete = job is not TRANSFORMATION
        if lake.passes_quality_gate(run_id) != is_complete:
            violations.append("the quality gate does not accept exactly a complete run")
        return violations


def _find_changes(before: Mapping[str, bytes], after: Mapping[str, bytes]) -> list[str]:
    return [
        f"changed: {name}"
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    ]
