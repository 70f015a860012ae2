"""Both jobs against an oracle in plain Python that shares no code with them."""

from __future__ import annotations

import random
import shutil
from argparse import Namespace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from pyspark.sql import SparkSession

from sample_data import write_sample
from spark.kpis import compute_kpis
from spark.transformation_job import transform
from tests.oracle import expected
from tests.spark.conftest import Run
from tests.support.batches import Batch, batches
from tests.support.comparison import assert_kpis, assert_transformed
from tests.support.results import read_report


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_dirty_data_of_a_seed(
    seed: int, tmp_path: Path, run_transformation: Run, run_kpis: Run
) -> None:
    source = tmp_path / "in"
    write_sample(source, rentals=600, dirt=0.2, seed=seed)
    truth = expected(source, personal_data=True)
    output = run_transformation(source)
    run_kpis(source, personal_data=True)
    assert_transformed(output, "r1", truth)
    assert_kpis(output, "r1", truth, personal_data=True)

    if seed > 1:
        return
    run_kpis(None, curated=True, personal_data=True)
    assert_kpis(output, "r1", truth, personal_data=True)


def test_partitions_and_the_order_of_rows_change_nothing(
    tmp_path: Path, spark: SparkSession, run_transformation: Run, run_kpis: Run
) -> None:
    source, shuffled = tmp_path / "in", tmp_path / "shuffled"
    write_sample(source, rentals=300, dirt=0.2, seed=4)
    truth = expected(source)
    # Rentals alone: a physical line is a row there, so lines can change places.
    shutil.copytree(source, shuffled)
    rentals = (source / "rental_transactions.csv").read_bytes().rstrip(b"\r\n")
    header, *lines = rentals.removeprefix(b"\xef\xbb\xbf").lstrip().split(b"\n")
    random.Random(4).shuffle(lines)
    (shuffled / "rental_transactions.csv").write_bytes(b"\n".join([header, *lines, b""]))

    # All other tests have one partition.
    spark.conf.set("spark.sql.files.maxPartitionBytes", "10000")
    spark.conf.set("spark.sql.files.openCostInBytes", "1")
    spark.conf.set("spark.sql.shuffle.partitions", "8")
    try:
        output = run_transformation(shuffled)
        run_kpis(shuffled)
    finally:
        spark.conf.unset("spark.sql.files.maxPartitionBytes")
        spark.conf.unset("spark.sql.files.openCostInBytes")
        spark.conf.set("spark.sql.shuffle.partitions", "1")
    assert_transformed(output, "r1", truth)
    assert_kpis(output, "r1", truth)


def test_no_accepted_rental(tmp_path: Path, run_transformation: Run, run_kpis: Run) -> None:
    source = tmp_path / "in"
    write_sample(source, rentals=5)
    header = (source / "rental_transactions.csv").read_text().splitlines()[0]
    (source / "rental_transactions.csv").write_text(f"{header}\nbroken\n")
    truth = expected(source)
    output = run_transformation(source)
    run_kpis(source)
    assert_transformed(output, "r1", truth)
    assert_kpis(output, "r1", truth)
    assert "no accepted rental" in read_report(output, "kpis", "r1")["problem"]


class TestDrawn:
    """Batches that hypothesis draws; each is a whole run of both jobs, so there are few of them."""

    @settings(
        max_examples=2,
        deadline=None,
        derandomize=True,
        phases=[Phase.explicit, Phase.generate],  # making a failing batch smaller takes minutes
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    )
    @given(batch=batches())
    def test_batch(
        self, batch: Batch, spark: SparkSession, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        folder = tmp_path_factory.mktemp("drawn")
        source, output = batch.write(folder / "in"), folder / "out"
        truth = expected(source)
        options = {"input": str(source), "output": str(output), "run_id": "r1"}
        transform(spark, Namespace(**options))
        compute_kpis(spark, Namespace(**options, curated=False, personal_data=False))
        spark.catalog.clearCache()
        assert_transformed(output, "r1", truth)
        assert_kpis(output, "r1", truth)
