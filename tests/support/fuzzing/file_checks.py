"""Check randomly mutated files, and compare the results with the oracle."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from contract.datasets import DATASETS, Dataset
from contract.file_check import HEAD_BYTES, FileCheck, check_head
from contract.text import has_control_characters
from sample_data import write_sample
from tests.oracle import RejectedFileError
from tests.oracle.contract import DATASETS as ORACLE_DATASETS
from tests.oracle.rows import read_dataset
from tests.support.broken_files import VALID_FILES
from tests.support.fuzzing.mutations import FILE_MUTATIONS, exceed_head, mutate, mutate_rows
from tests.support.time_limit import time_limit

_ACCEPTED = "accepted"
_MAX_MESSAGE_LENGTH = 8_000
# The check takes a second at most. A loaded machine may take longer, but not this long.
_MAX_SECONDS = 60.0
_MAX_ORACLE_BYTES = 300_000
_ONLY_FILE_CHECK = (", not CSV; ", "the header line contains a CR that no LF follows")


@dataclass
class FileCheckFigures:
    """What a number of checks has shown.

    Attributes:
        outcomes: How many files had each outcome.
        slowest_seconds: The longest time of one check.
        compared: How many files the oracle has read, too.
    """

    outcomes: Counter[str] = field(default_factory=Counter)
    slowest_seconds: float = 0.0
    compared: int = 0


class FileCheckFuzzer:
    """Mutates valid files and checks them. The same seed and number give the same file."""

    def __init__(self, folder: Path, seed: int) -> None:
        self._folder = folder / "oracle"
        self._folder.mkdir()
        self._seed = seed
        self._originals = _load_originals(folder / "originals")
        self.figures = FileCheckFigures()

    def check(self, number: int) -> None:
        """Generate a file and check it.

        Raises:
            AssertionError: The result of the file check is inconsistent or contradicts the oracle.
            TimeoutError: The file check took too long.
        """
        dataset, mutations, content = self.create_file(number)
        case = f"file {number} of seed {self._seed}: {dataset.file} after {mutations}"
        head, is_complete = content[:HEAD_BYTES], len(content) <= HEAD_BYTES
        with time_limit(_MAX_SECONDS, case):
            start = time.perf_counter()
            result = check_head(dataset, head, is_complete)
            seconds = time.perf_counter() - start
        _assert_consistent(dataset, result, case)
        self.figures.slowest_seconds = max(self.figures.slowest_seconds, seconds)
        self.figures.outcomes[_describe(result)] += 1
        if len(content) <= _MAX_ORACLE_BYTES:
            self._compare_with_oracle(dataset, content, result, case)
            self.figures.compared += 1

    def create_file(self, number: int) -> tuple[Dataset, str, bytes]:
        """Return the dataset, the names of the mutations, and the content of a file."""
        rng = Random(f"{self._seed}/{number}")
        dataset = DATASETS[number % len(DATASETS)]
        original = rng.choice(self._originals[dataset])
        choice = rng.random()
        if choice < 0.01:
            return dataset, exceed_head.__name__, exceed_head(rng, original)
        if choice < 0.25:
            return dataset, *mutate_rows(rng, original)
        return dataset, *mutate(rng, original, FILE_MUTATIONS)

    def _compare_with_oracle(
        self, dataset: Dataset, content: bytes, result: FileCheck, case: str
    ) -> None:
        (self._folder / dataset.file).write_bytes(content)
        try:
            read_dataset(self._folder, ORACLE_DATASETS[DATASETS.index(dataset)])
            oracle = _ACCEPTED
        except RejectedFileError as error:
            oracle = str(error)
        is_equal = (oracle == _ACCEPTED) == (result.header is not None)
        is_ignored = is_beyond_oracle(result.message(dataset.file))
        assert is_equal or is_ignored, f"{case}: {result}, but oracle: {oracle}"


def is_beyond_oracle(message: str) -> bool:
    """Return whether a file was rejected for something that the oracle does not know.

    The oracle knows only the grammar. It reads some files that were not meant as CSV.
    """
    return any(text in message for text in _ONLY_FILE_CHECK)


def _load_originals(folder: Path) -> dict[Dataset, list[bytes]]:
    """Return small valid files of each dataset, some of them with variations and corrupted rows."""
    originals = {dataset: [VALID_FILES[dataset.file]] for dataset in DATASETS}
    for seed in range(4):
        write_sample(folder, rentals=10, error_rate=0.3 if seed else 0.0, seed=seed)
        for dataset in DATASETS:
            originals[dataset].append((folder / dataset.file).read_bytes())
    return originals


def _assert_consistent(dataset: Dataset, result: FileCheck, case: str) -> None:
    assert (result.header is None) == bool(result.problems), case
    for text in (result.message(dataset.file), *result.warnings):
        assert not has_control_characters(text), f"{case}: {text!r}"
        assert len(text) <= _MAX_MESSAGE_LENGTH, f"{case}: {len(text)} characters"
    if result.header is not None:
        positions = result.header.positions
        assert len(positions) == len(set(positions)) == len(dataset.columns), case
        assert max(positions) < result.header.width <= HEAD_BYTES, case


def _describe(result: FileCheck) -> str:
    """Return the first problem without its details, or that the file was accepted."""
    if result.header is not None:
        return _ACCEPTED
    return result.problems[0].partition("`")[0].partition(";")[0].partition(" (")[0].strip()
