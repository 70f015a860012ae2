"""The Spark session that both jobs run in."""

from __future__ import annotations

from pyspark.sql import SparkSession

# Each setting makes results exact, or identical in all versions of Spark.
SETTINGS = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.legacy.timeParserPolicy": "CORRECTED",
    # If a sum overflows its column, the job fails. Without ANSI mode, the sum would become null.
    "spark.sql.ansi.enabled": "true",
    # Dates before 1582 are written without conversion. By default, they make the job fail.
    "spark.sql.parquet.datetimeRebaseModeInWrite": "CORRECTED",
    "spark.sql.parquet.datetimeRebaseModeInRead": "CORRECTED",
    # The default, INT96, has no sort order, so readers could not skip data by its statistics.
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
}


def get_spark_session(name: str) -> SparkSession:
    """Return the session. spark-submit sets the master, the memory, and the file systems."""
    builder = SparkSession.builder.appName(name)
    for key, value in SETTINGS.items():
        builder = builder.config(key, value)
    return builder.getOrCreate()
