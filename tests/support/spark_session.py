"""A Spark session for tests, with the settings of the jobs."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from pyspark.sql import SparkSession

from local.spark.job_runner import spark_environment
from local.spark.spark_settings import SINGLE_MACHINE_SETTINGS, jvm_options
from spark.session import get_spark_session


@contextmanager
def open_session() -> Iterator[SparkSession]:
    """Open a session on two cores, with the settings of the jobs from `get_spark_session`."""
    patch = pytest.MonkeyPatch()
    for name, value in spark_environment().items():
        patch.setenv(name, value)
    settings = {
        **SINGLE_MACHINE_SETTINGS,
        "spark.driver.memory": "2g",
        "spark.sql.shuffle.partitions": "1",
        "spark.ui.showConsoleProgress": "false",
        "spark.driver.extraJavaOptions": shlex.join(jvm_options(input_bytes=0)),
    }
    arguments = " ".join(f"--conf '{key}={value}'" for key, value in settings.items())
    patch.setenv("PYSPARK_SUBMIT_ARGS", f"--master local[2] {arguments} pyspark-shell")
    session = get_spark_session("tests")
    session.sparkContext.setLogLevel("OFF")
    yield session
    session.stop()
    patch.undo()
