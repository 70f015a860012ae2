"""Settings of every Spark program that runs on this machine."""

from __future__ import annotations

import sys

from local.spark.class_archive import ClassArchive
from local.spark.java import find_java_home

# These halve the CPU time of a job that takes seconds, and slow down a job that takes minutes.
# With only the first compiler, the JVM reserves a fifth of the usual memory for compiled methods.
# When it is full, the JVM stops to compile, and finally ends.
_SHORT_JOB_OPTIONS = [
    "-XX:TieredStopAtLevel=1",
    "-XX:+UseSerialGC",
    "-XX:ReservedCodeCacheSize=240m",
]
_SHORT_JOB_INPUT_BYTES = 100_000_000

# By default, the JVM's optimizing compiler spends a quarter of the CPU time of a job of a minute,
# most of it on the methods that plan the job. With ten times its thresholds, it compiles only the
# methods that process rows.
_LONG_JOB_OPTIONS = [
    "-XX:Tier4InvocationThreshold=50000",
    "-XX:Tier4MinInvocationThreshold=6000",
    "-XX:Tier4CompileThreshold=150000",
    "-XX:Tier4BackEdgeThreshold=400000",
]

SINGLE_MACHINE_SETTINGS = {
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.ui.enabled": "false",
    "spark.log.level": "WARN",
}
"""The Spark settings that suit a single machine: Spark binds to the loopback address only, and logs
warnings only."""


def jvm_options(input_bytes: int) -> list[str]:
    """Return the JVM options for a job with input of this size.

    A short job ends before the JVM's optimizing compiler has paid off, so it runs without that
    compiler.

    Raises:
        JavaNotFoundError: This machine has no suitable Java.
    """
    options = _SHORT_JOB_OPTIONS if input_bytes < _SHORT_JOB_INPUT_BYTES else _LONG_JOB_OPTIONS
    return [*options, *ClassArchive(find_java_home()).jvm_options]


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
