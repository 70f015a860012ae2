"""Run both jobs on batches of randomly mutated files, and compare their output with the oracle."""

from __future__ import annotations

import shutil
from argparse import Namespace
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from pyspark.sql import SparkSession

from contract.datasets import DATASETS
from contract.text import has_control_characters
from sample_data import write_sample
from spark.job import get_input_problem
from spark.kpis import compute_kpis
from spark.transformation_job import transform_batch
from tests.oracle import Expected, RejectedFileError, compute_expected
from tests.support.comparison import assert_kpis_match, assert_transformation_matches
from tests.support.fuzzing.file_checks import is_beyond_oracle
from tests.support.fuzzing.mutations import FILE_MUTATIONS, mutate, mutate_rows
from tests.support.results import read_report
from tests.support.time_limit import time_limit

# A batch takes seconds. A loaded machine may take longer, but not this long.
_MAX_SECONDS = 300.0
_RUN_ID = "r1"


@dataclass
class BatchFigures:
    """What a number of runs of both jobs has shown.

    Attributes:
        outcomes: How many batches had each outcome.
        mutated_files: The number of mutated files that both jobs have processed, not refused.
        rows: The numbers of read, accepted, and rejected rows of all datasets.
        reasons: How many rows had each reject code.
    """

    outcomes: Counter[str] = field(default_factory=Counter)
    mutated_files: int = 0
    rows: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)


class BatchFuzzer:
    """Mutates batches and runs both jobs. The same seed and number give the same batch."""

    def __init__(self, spark: SparkSession, folder: Path, seed: int) -> None:
        self._spark = spark
        self._folder = folder
        self._seed = seed
        self.figures = BatchFigures()

    def run(self, number: int) -> None:
        """Generate a batch and run both jobs.

        Raises:
            AssertionError: The result of a job is inconsistent or contradicts the oracle.
            TimeoutError: The jobs took too long.
        """
        folder = self._folder / str(number)
        mutations, personal_data = self._write_batch(number, folder / "in")
        case = f"batch {number} of seed {self._seed}: {', '.join(mutations)}"
        options = {
            "input": str(folder / "in"),
            "output": str(folder / "out"),
            "run_id": _RUN_ID,
            "curated": False,
            "personal_data": personal_data,
        }
        with time_limit(_MAX_SECONDS, case):
            problems = [
                _run_job(job, self._spark, Namespace(**options))
                for job in (transform_batch, compute_kpis)
            ]
        self._spark.catalog.clearCache()
        assert problems[0] == problems[1], f"{case}: {problems}"
        expected = _compute_expected(folder / "in", personal_data)
        if problems[0]:
            self._check_refused(folder, problems[0], expected, case)
        else:
            assert isinstance(expected, Expected), f"{case}: the oracle rejects it: {expected}"
            self._check_output(folder / "out", expected, personal_data, case)
            self.figures.mutated_files += len(mutations)
        shutil.rmtree(folder)

    def _write_batch(self, number: int, folder: Path) -> tuple[list[str], bool]:
        """Write the four files. Return each mutation, and whether to process personal data."""
        rng = Random(f"{self._seed}/batch {number}")
        error_rate = rng.choice([0.0, 0.2])
        write_sample(folder, rng.randint(1, 30), error_rate, seed=rng.randrange(1_000_000))
        descriptions = []
        for dataset in rng.sample(DATASETS, rng.randint(1, len(DATASETS))):
            file = folder / dataset.file
            content = file.read_bytes()
            # A file that fails its check takes no time, and says nothing about the jobs.
            if rng.random() < 0.85:
                mutations, content = mutate_rows(rng, content)
            else:
                mutations, content = mutate(rng, content, FILE_MUTATIONS)
            file.write_bytes(content)
            descriptions.append(f"{dataset.file} after {mutations}")
        return descriptions, rng.random() < 0.5

    def _check_refused(
        self, folder: Path, problem: str, expected: Expected | str, case: str
    ) -> None:
        assert not has_control_characters(problem), f"{case}: {problem!r}"
        assert isinstance(expected, str) or is_beyond_oracle(problem), f"{case}: {problem}"
        assert not (folder / "out" / "runs").exists(), case
        self.figures.outcomes["refused"] += 1

    def _check_output(
        self, output: Path, expected: Expected, personal_data: bool, case: str
    ) -> None:
        report = read_report(output, "transformation", _RUN_ID)
        for counts in report["datasets"].values():
            assert counts["read"] == counts["accepted"] + counts["rejected"], case
            self.figures.rows += Counter(
                {name: counts[name] for name in ("read", "accepted", "rejected")}
            )
            self.figures.reasons += Counter(counts["reasons"])
        try:
            assert_transformation_matches(output, _RUN_ID, expected)
            assert_kpis_match(output, _RUN_ID, expected, personal_data)
        except AssertionError as error:
            error.add_note(case)
            raise
        self.figures.outcomes["not publishable" if "problem" in report else "complete"] += 1


def _run_job(
    job: Callable[[SparkSession, Namespace], None], spark: SparkSession, options: Namespace
) -> str | None:
    """Run a job. Return the problem with the input that made it fail, if any."""
    try:
        job(spark, options)
    except Exception as error:  # Spark wraps an error with invalid input in one of its own
        problem = get_input_problem(error)
        if problem is None:
            raise
        return problem
    return None


def _compute_expected(folder: Path, personal_data: bool) -> Expected | str:
    """Return the expected output, or why there is none."""
    try:
        return compute_expected(folder, personal_data=personal_data)
    except RejectedFileError as error:
        return str(error)
