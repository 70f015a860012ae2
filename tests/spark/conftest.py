"""The Spark session that all tests share, with the settings of the jobs."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from spark.kpis import compute_kpis
from spark.transformation_job import transform_batch
from tests.support.spark_session import open_session

RunJob = Callable[..., Path]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run all tests in one process, so that they share one warm session."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.xdist_group("spark"))


@pytest.fixture(scope="session")
def spark() -> Iterator[SparkSession]:
    """The session that all tests share."""
    with open_session() as session:
        yield session


@pytest.fixture
def run_transformation(spark: SparkSession, tmp_path: Path) -> Iterator[RunJob]:
    """A function that runs the transformation job on a folder and returns the output root."""

    def run(source: Path, output: Path = tmp_path / "out", run_id: str = "r1") -> Path:
        transform_batch(spark, Namespace(input=str(source), output=str(output), run_id=run_id))
        spark.catalog.clearCache()
        return output

    yield run
    spark.catalog.clearCache()


@pytest.fixture
def run_kpis(spark: SparkSession, tmp_path: Path) -> Iterator[RunJob]:
    """A function that runs the KPI job on a folder and returns the output root."""

    def run(
        source: Path | None,
        output: Path = tmp_path / "out",
        run_id: str = "r1",
        curated: bool = False,
        personal_data: bool = False,
    ) -> Path:
        options = Namespace(
            input=str(source),
            output=str(output),
            run_id=run_id,
            curated=curated,
            personal_data=personal_data,
        )
        compute_kpis(spark, options)
        spark.catalog.clearCache()
        return output

    yield run
    spark.catalog.clearCache()
