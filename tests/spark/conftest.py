"""The Spark session that all tests share, with the settings of the jobs."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from local.spark.job_runner import spark_environment
from local.spark.spark_settings import jvm_options, single_machine_settings
from spark.kpis import compute_kpis
from spark.session import get_spark_session
from spark.transformation_job import transform_batch

RunJob = Callable[..., Path]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run all tests in one process, so that they share one warm session."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.xdist_group("spark"))


@pytest.fixture(scope="session")
def spark() -> Iterator[SparkSession]:
    """A session on two cores, with the settings of the jobs from `get_spark_session`."""
    patch = pytest.MonkeyPatch()
    for name, value in spark_environment().items():
        patch.setenv(name, value)
    settings = {
        **single_machine_settings(cores=2),
        "spark.driver.memory": "2g",
        "spark.sql.shuffle.partitions": "1",
        "spark.ui.showConsoleProgress": "false",
        "spark.driver.extraJavaOptions": " ".join(jvm_options(input_bytes=0)),
    }
    arguments = " ".join(f"--conf '{key}={value}'" for key, value in settings.items())
    patch.setenv("PYSPARK_SUBMIT_ARGS", f"--master local[2] {arguments} pyspark-shell")
    session = get_spark_session("tests")
    session.sparkContext.setLogLevel("OFF")
    yield session
    session.stop()
    patch.undo()


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
