"""The Spark session that both jobs run in."""

from __future__ import annotations

from pyspark.sql import SparkSession

SETTINGS = {
    # These settings make results exact, or identical in all versions of Spark.
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.legacy.timeParserPolicy": "CORRECTED",
    # If a sum overflows its column, the job fails. Without ANSI mode, the sum would become null.
    "spark.sql.ansi.enabled": "true",
    # Dates before 1582 are written without conversion. By default, they make the job fail.
    "spark.sql.parquet.datetimeRebaseModeInWrite": "CORRECTED",
    "spark.sql.parquet.datetimeRebaseModeInRead": "CORRECTED",
    # The default, INT96, has no sort order, so readers could not skip data by its statistics.
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    # These settings make the jobs faster. `docs/decisions.md` has the measurements.
    # The JVM never compiles a larger method. Spark then runs the steps of a plan one by one.
    "spark.sql.codegen.hugeMethodLimit": "8000",
    # Rows are cached only for seconds, so compressing them does not pay.
    "spark.sql.inMemoryColumnarStorage.compressed": "false",
}

BYTES_PER_SHUFFLE_PARTITION = 32 * 2**20


def set_shuffle_partitions(spark: SparkSession, input_bytes: int) -> None:
    """Let the number of partitions of a shuffle follow from the size of the input.

    Thus, the memory that a task needs does not grow with the input. Spark merges partitions that
    turn out to be small.

    Args:
        spark: The Spark session.
        input_bytes: The size of the input files, in bytes.
    """
    partitions = -(-input_bytes // BYTES_PER_SHUFFLE_PARTITION)
    spark.conf.set("spark.sql.shuffle.partitions", str(max(partitions, 1)))


def get_spark_session(name: str) -> SparkSession:
    """Return the session. spark-submit sets the master, the memory, and the file systems."""
    builder = SparkSession.builder.appName(name)
    for key, value in SETTINGS.items():
        builder = builder.config(key, value)
    return builder.getOrCreate()
