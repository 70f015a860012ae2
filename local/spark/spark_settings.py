"""Spark inside one process of this machine: what it has to be told, whatever it runs."""

from __future__ import annotations

import sys

from local.spark.java import java_home

# Half the processor time for a job of seconds; a job of minutes is better off without.
_SHORT_LIVED_JAVA = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]
_SMALL_BYTES = 100_000_000


def on_one_machine(cores: int) -> dict[str, str]:
    """What keeps it to this machine, quiet, and to a few partitions a core."""
    return {
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.log.level": "WARN",
        # Instead of the cluster's 200.
        "spark.sql.shuffle.partitions": str(4 * cores),
    }


def java_options(input_bytes: int) -> list[str]:
    """How Java is told that the job is over before its second compiler has made it fast."""
    return _SHORT_LIVED_JAVA if input_bytes < _SMALL_BYTES else []


def environment() -> dict[str, str]:
    """The variables that lead it to our Java and our Python. NoJavaError."""
    return {
        "JAVA_HOME": str(java_home()),
        "PYSPARK_PYTHON": sys.executable,
        "SPARK_LOCAL_IP": "127.0.0.1",
    }
