"""Many random histories of uploads, events, and crashes keep the promises about runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from tests.soak.conftest import RecordFigures
from tests.support.memory.histories import History

HISTORIES = 10_000
STEPS = 60


def test_histories_keep_all_promises(
    seed: int, scaled: Callable[[int], int], record_figures: RecordFigures
) -> None:
    counts: Counter[str] = Counter()
    violations: list[str] = []
    for number in range(scaled(HISTORIES)):
        history = History(seed + number)
        history.run(STEPS)
        counts += history.counts
        violations += [f"seed {seed + number}: {violation}" for violation in history.violations]
    figures = {"histories": scaled(HISTORIES), **counts, "violations": len(violations)}
    record_figures("histories", figures)
    assert violations == []
