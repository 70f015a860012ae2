"""Tests of both jobs against the oracle, which shares no code with them."""

from __future__ import annotations

import random
import shutil
from argparse import Namespace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from pyspark.sql import SparkSession

from sample_data import write_sample
from spark import session
from spark.kpis import compute_kpis
from spark.transformation_job import transform_batch
from tests.oracle import compute_expected
from tests.spark.conftest import RunJob
from tests.support.batches import Batch, batches
from tests.support.comparison import assert_kpis_match, assert_transformation_matches
from tests.support.fuzzing.batches import BatchFuzzer
from tests.support.results import read_report


@pytest.mark.parametrize("seed", [1, 2])
def test_sample_data_with_corruptions(
    seed: int, tmp_path: Path, run_transformation: RunJob, run_kpis: RunJob
) -> None:
    source = tmp_path / "in"
    write_sample(source, rentals=900, error_rate=0.2, seed=seed)
    expected = compute_expected(source, personal_data=True)
    output = run_transformation(source)
    run_kpis(source, personal_data=True)
    assert_transformation_matches(output, "r1", expected)
    assert_kpis_match(output, "r1", expected, personal_data=True)

    if seed > 1:
        return
    run_kpis(None, curated=True, personal_data=True)
    assert_kpis_match(output, "r1", expected, personal_data=True)


def test_result_does_not_depend_on_partitions_or_row_order(
    tmp_path: Path,
    spark: SparkSession,
    run_transformation: RunJob,
    run_kpis: RunJob,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source, shuffled = tmp_path / "in", tmp_path / "shuffled"
    write_sample(source, rentals=300, error_rate=0.2, seed=4)
    expected = compute_expected(source)
    # Only in the rentals file is each row one line, so only its lines can be shuffled.
    shutil.copytree(source, shuffled)
    rentals = (source / "rental_transactions.csv").read_bytes().rstrip(b"\r\n")
    header, *lines = rentals.removeprefix(b"\xef\xbb\xbf").lstrip().split(b"\n")
    random.Random(4).shuffle(lines)
    (shuffled / "rental_transactions.csv").write_bytes(b"\n".join([header, *lines, b""]))

    # All other tests use a single partition.
    spark.conf.set("spark.sql.files.maxPartitionBytes", "10000")
    spark.conf.set("spark.sql.files.openCostInBytes", "1")
    monkeypatch.setattr(session, "BYTES_PER_SHUFFLE_PARTITION", 5_000)
    try:
        output = run_transformation(shuffled)
        run_kpis(shuffled)
        assert int(str(spark.conf.get("spark.sql.shuffle.partitions"))) > 2
    finally:
        spark.conf.unset("spark.sql.files.maxPartitionBytes")
        spark.conf.unset("spark.sql.files.openCostInBytes")
        spark.conf.set("spark.sql.shuffle.partitions", "1")
    assert_transformation_matches(output, "r1", expected)
    assert_kpis_match(output, "r1", expected)


def test_no_accepted_rows(tmp_path: Path, run_transformation: RunJob, run_kpis: RunJob) -> None:
    source = tmp_path / "in"
    write_sample(source, rentals=5)
    for name in ("rental_transactions.csv", "locations.csv"):
        header = (source / name).read_text().splitlines()[0]
        (source / name).write_text(f"{header}\nbroken\n")
    expected = compute_expected(source)
    output = run_transformation(source)
    run_kpis(source)
    assert_transformation_matches(output, "r1", expected)
    assert_kpis_match(output, "r1", expected)
    assert "no accepted rentals" in read_report(output, "kpis", "r1")["problem"]
    problem = read_report(output, "transformation", "r1")["problem"]
    assert problem.startswith("no accepted locations: every row of locations.csv was rejected; no")


def test_mutated_batches(spark: SparkSession, tmp_path: Path) -> None:
    """`./run test soak` runs the jobs on many more of them."""
    fuzzer = BatchFuzzer(spark, tmp_path, seed=2)
    for number in range(2):
        fuzzer.run(number)
    # Otherwise, the test would say nothing about the rows.
    assert fuzzer.figures.outcomes["complete"] >= 1


class TestGeneratedBatches:
    """Tests of batches that Hypothesis generates; few, because each needs a run of both jobs."""

    @settings(
        max_examples=2,
        deadline=None,
        derandomize=True,
        phases=[Phase.explicit, Phase.generate],  # shrinking takes minutes
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    )
    @given(batch=batches())
    def test_jobs_match_oracle(
        self, batch: Batch, spark: SparkSession, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        folder = tmp_path_factory.mktemp("generated")
        source, output = batch.write(folder / "in"), folder / "out"
        expected = compute_expected(source)
        options = {"input": str(source), "output": str(output), "run_id": "r1"}
        transform_batch(spark, Namespace(**options))
        compute_kpis(spark, Namespace(**options, curated=False, personal_data=False))
        spark.catalog.clearCache()
        assert_transformation_matches(output, "r1", expected)
        assert_kpis_match(output, "r1", expected)
