"""A kill between any two calls of the publishing function leaves readers with a complete run.

Readers see either the run that was published before or the new one, at every moment. After another
attempt, they see the run that was claimed last, and exactly one email was sent for each run: two
only after a kill between sending the email and recording it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from itertools import count
from random import Random

import pytest

from tests.soak.conftest import RecordFigures
from tests.support.aws_calls import Crash
from tests.support.publication_kills import (
    PositionHook,
    PublishingSystem,
    RunToPublish,
    kill_at,
    publishing_system,
)
from tests.support.publication_scenarios import (
    EARLIER,
    LATER,
    OLD,
    RUN,
    SCENARIOS,
    SECOND_RUN,
    Scenario,
)

PAIRS = 200
SCHEDULES = 200
MIN_CALLS = 40  # of an invocation; with fewer calls, the kills are not where this test expects them
# A function that meets another one has more calls than one that is alone.
EXTRA_CALLS = 10


class _Results:
    """The figures and the violations of all cases."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.violations: list[str] = []

    def play(
        self, case: str, runs: Collection[RunToPublish], steps: Callable[[PublishingSystem], None]
    ) -> None:
        """Carry out the steps of a case in a new account with the tables of the runs."""
        with publishing_system(runs) as system:
            steps(system)
        self.counts["cases"] += 1
        self.counts += system.counts
        self.violations += [f"{case}: {violation}" for violation in system.violations]

    @property
    def figures(self) -> dict[str, int]:
        """The figures of a report."""
        return {**self.counts, "violations": len(self.violations)}


def test_kill_at_every_position_of_every_scenario(record_figures: RecordFigures) -> None:
    results = _Results()
    positions = Counter({scenario.name: 0 for scenario in SCENARIOS})
    for scenario in SCENARIOS:
        for position in count():
            was_killed = _kill_and_retry(results, scenario, position)
            if not was_killed:
                break
            positions[scenario.name] += 1
    record_figures("publishing_kills", {"positions": dict(positions), **results.figures})
    assert results.violations == []
    assert min(positions.values()) > MIN_CALLS


def _kill_and_retry(results: _Results, scenario: Scenario, position: int) -> bool:
    was_killed = False

    def steps(system: PublishingSystem) -> None:
        nonlocal was_killed
        was_killed = scenario.kill_and_retry(system, position)

    results.play(f"{scenario.name}, killed at position {position}", scenario.runs, steps)
    return was_killed


@pytest.mark.parametrize("other", [EARLIER, LATER], ids=lambda run: run.run_id)
def test_other_run_is_published_at_any_position(
    other: RunToPublish, seed: int, scaled: Callable[[int], int], record_figures: RecordFigures
) -> None:
    """The other run is published before or after the kill, in the first or the second attempt."""
    positions = range(len(SECOND_RUN.list_calls()) + EXTRA_CALLS)
    cases = [
        (kill, attempt, position)
        for kill in positions
        for attempt, last in ((1, kill), (2, positions[-1]))
        for position in range(last + 1)
    ]
    results = _Results()
    for kill, attempt, position in Random(seed).sample(cases, min(scaled(PAIRS), len(cases))):
        _publish_other_and_kill(results, other, kill, attempt, position)
    record_figures(f"publishing_kills_{other.run_id.replace('-', '_')}", results.figures)
    assert results.violations == []


def _publish_other_and_kill(
    results: _Results, other: RunToPublish, kill: int, attempt: int, other_position: int
) -> None:
    """Publish another run at a position of the first or second attempt. The first one is killed."""

    def steps(system: PublishingSystem) -> None:
        is_other_published = False

        def publish_other(position: int) -> None:
            nonlocal is_other_published
            if position == other_position and not is_other_published:
                is_other_published = True
                system.invoke(other)

        def publish_other_and_die(position: int) -> None:
            if attempt == 1:
                publish_other(position)
            kill_at(kill)(position)

        SECOND_RUN.prepare(system)
        if system.invoke(RUN, publish_other_and_die) is None:
            system.invoke(RUN, publish_other)
        publish_other(other_position)  # if the function ended before this position
        system.check_end(max(RUN, other, key=lambda run: run.day))

    case = f"{other.run_id} at position {other_position} of attempt {attempt}, kill at {kill}"
    results.play(case, (OLD, RUN, other), steps)


def test_random_schedules_of_runs_and_kills(
    seed: int, scaled: Callable[[int], int], record_figures: RecordFigures
) -> None:
    """Functions start while others are at a position, and any of them is killed."""
    results = _Results()
    for number in range(scaled(SCHEDULES)):
        schedule = _Schedule(seed + number)
        results.play(f"schedule {seed + number}", (OLD, EARLIER, RUN, LATER), schedule.play)
    record_figures("publishing_kills_schedules", results.figures)
    assert results.violations == []


class _Schedule:
    """A random schedule of three runs, each of which is tried again until it is published."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)
        self._waiting = [EARLIER, RUN, LATER]
        self._random.shuffle(self._waiting)
        self._kills = self._random.randint(1, 6)

    def play(self, system: PublishingSystem) -> None:
        system.invoke(OLD)
        while self._waiting:
            self._start(system)
        system.check_end(LATER)

    def _start(self, system: PublishingSystem) -> None:
        run = self._waiting.pop(self._random.randrange(len(self._waiting)))
        if system.invoke(run, self._create_hook(system)) is None:
            self._waiting.append(run)

    def _create_hook(self, system: PublishingSystem) -> PositionHook:
        def act(_: int) -> None:
            if self._waiting and self._random.random() < 0.04:
                self._start(system)
            if self._kills and self._random.random() < 0.04:
                self._kills -= 1
                raise Crash

        return act
