"""Single files on any Hadoop file system.

Spark's readers and writers know tables only, so what a job does with one file (look at its first
bytes, write its report) goes through Hadoop's `FileSystem`, which knows every scheme that Spark
knows.
"""

from __future__ import annotations

from typing import Any

from pyspark.sql import SparkSession


def _file_system(spark: SparkSession, uri: str) -> tuple[Any, Any]:
    jvm: Any = spark._jvm
    path = jvm.org.apache.hadoop.fs.Path(uri)
    return path.getFileSystem(spark._jsc.hadoopConfiguration()), path


def is_file(spark: SparkSession, uri: str) -> bool:
    """Whether a file, not a folder, lies at the URI."""
    file_system, path = _file_system(spark, uri)
    return bool(file_system.exists(path)) and bool(file_system.getFileStatus(path).isFile())


def read_head(spark: SparkSession, uri: str, limit: int) -> tuple[bytes, bool]:
    """The file's first `limit` bytes, and whether that is all of it."""
    file_system, path = _file_system(spark, uri)
    stream = file_system.open(path)
    try:
        head = bytes(stream.readNBytes(limit + 1))
    finally:
        stream.close()
    return head[:limit], len(head) <= limit


def write_text(spark: SparkSession, uri: str, text: str) -> None:
    """Put a small UTF-8 file in one step: no reader ever sees a part of it.

    An object store shows an object when its upload ends; elsewhere the rename does the same.
    """
    file_system, path = _file_system(spark, uri)
    part = path.suffix(".part")
    stream = file_system.create(part, True)
    try:
        stream.write(bytearray(text.encode("utf-8")))
    finally:
        stream.close()
    if not file_system.rename(part, path):
        raise OSError(f"cannot write {uri}")


def delete(spark: SparkSession, uri: str) -> None:
    """Remove the file; one that is not there is no error."""
    file_system, path = _file_system(spark, uri)
    file_system.delete(path, False)
