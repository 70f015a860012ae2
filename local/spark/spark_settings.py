"""Settings of every Spark program that runs on this machine."""

from __future__ import annotations

import sys

from local.spark.java import find_java_home

# These halve the CPU time of a job that takes seconds, and slow down a job that takes minutes.
_SHORT_JOB_OPTIONS = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]
_SHORT_JOB_INPUT_BYTES = 100_000_000
_PARTITIONS_PER_CORE = 4


def single_machine_settings(cores: int) -> dict[str, str]:
    """Return the Spark settings that suit a single machine.

    Spark binds to the loopback address only, logs warnings only, and shuffles into a few partitions
    per core.
    """
    return {
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.log.level": "WARN",
        # The default of 200 is for clusters.
        "spark.sql.shuffle.partitions": str(_PARTITIONS_PER_CORE * cores),
    }


def jvm_options(input_bytes: int) -> list[str]:
    """Return the JVM options for a job with input of this size.

    A short job ends before the JVM's optimizing compiler has paid off, so it runs without that
    compiler.
    """
    return _SHORT_JOB_OPTIONS if input_bytes < _SHORT_JOB_INPUT_BYTES else []


def environment_variables() -> dict[str, str]:
    """Return the variables that make Spark use our Java and our Python.

    Raises:
        JavaNotFoundError: This machine has no suitable Java.
    """
    return {
        "JAVA_HOME": str(find_java_home()),
        "PYSPARK_PYTHON": sys.executable,
        "SPARK_LOCAL_IP": "127.0.0.1",
    }
