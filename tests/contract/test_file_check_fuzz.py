"""The file check on randomly mutated files. `./run test soak` checks many more of them."""

from __future__ import annotations

from pathlib import Path

from tests.support.fuzzing.file_checks import FileCheckFuzzer


def test_mutated_files_are_accepted_or_rejected_like_by_the_oracle(tmp_path: Path) -> None:
    fuzzer = FileCheckFuzzer(tmp_path, seed=1)
    for number in range(300):
        fuzzer.check(number)
    # The mutations are neither too weak nor too strong to be useful.
    outcomes = fuzzer.figures.outcomes
    assert 50 < outcomes["accepted"] < 250
    assert len(outcomes) > 10
