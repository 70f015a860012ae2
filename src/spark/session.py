"""The Spark session that both jobs run in."""

from __future__ import annotations

from pyspark.sql import SparkSession

# Each setting makes Spark exact, or the same on every version.
SETTINGS = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.legacy.timeParserPolicy": "CORRECTED",
    # A sum that no longer fits its column ends the job instead of becoming null.
    "spark.sql.ansi.enabled": "true",
    # Dates before 1582 are written as they stand; the default is to end the job.
    "spark.sql.parquet.datetimeRebaseModeInWrite": "CORRECTED",
    "spark.sql.parquet.datetimeRebaseModeInRead": "CORRECTED",
    # The default, INT96, has no order that readers can filter by.
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
}


def spark_session(name: str) -> SparkSession:
    """The session under the given name; master, memory and file systems come from spark-submit."""
    builder = SparkSession.builder.appName(name)
    for key, value in SETTINGS.items():
        builder = builder.config(key, value)
    return builder.getOrCreate()
