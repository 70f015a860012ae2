"""The file check on many randomly mutated files: no crash, no hang, and the oracle agrees."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from tests.soak.conftest import RecordFigures
from tests.support.fuzzing.file_checks import FileCheckFuzzer

_FILES = 20_000


def test_mutated_files_are_accepted_or_rejected_like_by_the_oracle(
    tmp_path: Path, seed: int, scaled: Callable[[int], int], record_figures: RecordFigures
) -> None:
    fuzzer = FileCheckFuzzer(tmp_path, seed)
    files = scaled(_FILES)
    start = time.perf_counter()
    for number in range(files):
        fuzzer.check(number)
    figures = fuzzer.figures
    record_figures(
        "file_check_fuzz",
        {
            "files": files,
            "accepted": figures.outcomes["accepted"],
            "compared_with_oracle": figures.compared,
            "slowest_check_seconds": round(figures.slowest_seconds, 2),
            "seconds": round(time.perf_counter() - start),
            "outcomes": dict(figures.outcomes.most_common()),
        },
    )
