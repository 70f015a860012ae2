"""Random histories of uploads, events, and crashes keep the promises about batches and runs."""

from __future__ import annotations

import pytest

from tests.support.memory.histories import History


@pytest.mark.parametrize("seed", range(60))
def test_random_history_keeps_all_promises(seed: int) -> None:
    history = History(seed)
    history.run(steps=60)
    assert history.violations == []
    assert history.counts["uploads"] > 0
