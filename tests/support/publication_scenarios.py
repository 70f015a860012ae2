"""Scenarios in which the publishing function is killed and then invoked again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tests.support.publication_kills import (
    PublishingSystem,
    RunToPublish,
    kill_at,
    publishing_system,
)

OLD = RunToPublish("old-run", 1)
EARLIER = RunToPublish("earlier-run", 2)
RUN = RunToPublish("run", 3)
LATER = RunToPublish("later-run", 4)
TEST_RUN = RunToPublish("test-run", 5, is_test=True)


@dataclass(frozen=True)
class Scenario:
    """What is published before, and what must be published in the end.

    Attributes:
        name: The name of the scenario.
        before: The runs that are published before.
        run: The run whose function is killed.
        published: The run that readers must see in the end.
        is_rolled_back: Whether an operator publishes the first run again before.
        other: A run that is published immediately before the kill, by another function.
    """

    name: str
    before: Sequence[RunToPublish]
    run: RunToPublish
    published: RunToPublish | None
    is_rolled_back: bool = False
    other: RunToPublish | None = None

    @property
    def runs(self) -> set[RunToPublish]:
        """All runs of the scenario."""
        return {run for run in (*self.before, self.run, self.published, self.other) if run}

    def prepare(self, system: PublishingSystem) -> None:
        """Publish the runs before."""
        for run in self.before:
            system.invoke(run)
        if self.is_rolled_back:
            system.add_record(self.before[0], "2126-01-01T08:00:00.000000Z")

    def list_calls(self) -> list[str]:
        """Return the calls of the function if it is not killed."""
        calls: list[str] = []
        with publishing_system(self.runs) as system:
            self.prepare(system)
            system.invoke(self.run, lambda _: calls.extend(system.operations[-1:]))
        return calls

    def kill_and_retry(self, system: PublishingSystem, position: int) -> bool:
        """Kill the function at a position, invoke it again, and check the result.

        Returns:
            Whether the function was killed. Otherwise, it ended before the position.
        """

        def die(current: int) -> None:
            if current == position and self.other:
                system.invoke(self.other)
            kill_at(position)(current)

        self.prepare(system)
        was_killed = system.invoke(self.run, die) is None
        if was_killed:
            system.invoke(self.run)
            system.check_end(self.published)
        return was_killed


SECOND_RUN = Scenario("second run", (OLD,), RUN, RUN)
EARLIER_RUN_MEANWHILE = Scenario("earlier run meanwhile", (OLD,), RUN, RUN, other=EARLIER)
LATER_RUN_MEANWHILE = Scenario("later run meanwhile", (OLD,), RUN, LATER, other=LATER)
SCENARIOS = (
    Scenario("first run", (), RUN, RUN),
    SECOND_RUN,
    Scenario("superseded run", (OLD, LATER), RUN, LATER),
    Scenario("run that is already published", (OLD, RUN), RUN, RUN),
    Scenario("run after a rollback", (OLD, EARLIER), RUN, RUN, is_rolled_back=True),
    EARLIER_RUN_MEANWHILE,
    LATER_RUN_MEANWHILE,
    Scenario("earlier run meanwhile, first runs", (), RUN, RUN, other=EARLIER),
    Scenario("later run meanwhile, first runs", (), RUN, LATER, other=LATER),
    Scenario("test run", (OLD,), TEST_RUN, OLD),
    Scenario("test run before the first run", (), TEST_RUN, None),
)
