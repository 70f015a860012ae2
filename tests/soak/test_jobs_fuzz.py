"""Both jobs on many randomly mutated batches: no crash, no hang, and the oracle agrees.

A batch is refused with a clear message, or each row that was read is accepted or rejected.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from tests.soak.conftest import RecordFigures
from tests.support.fuzzing.batches import BatchFuzzer
from tests.support.spark_session import open_session

_BATCHES = 300


def test_jobs_match_the_oracle_on_mutated_batches(
    tmp_path: Path, seed: int, scaled: Callable[[int], int], record_figures: RecordFigures
) -> None:
    batches = scaled(_BATCHES)
    start = time.perf_counter()
    with open_session() as spark:
        fuzzer = BatchFuzzer(spark, tmp_path, seed)
        for number in range(batches):
            fuzzer.run(number)
    figures = fuzzer.figures
    record_figures(
        "jobs_fuzz",
        {
            "batches": batches,
            **dict(figures.outcomes.most_common()),
            "mutated_files_processed": figures.mutated_files,
            **{f"rows_{name}": count for name, count in figures.rows.items()},
            "seconds": round(time.perf_counter() - start),
            "reasons": dict(figures.reasons.most_common()),
        },
    )
