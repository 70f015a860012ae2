"""Access to single files on any Hadoop file system.

Spark's readers and writers support only tables. To read the head of a file or to write a report,
the jobs use Hadoop's `FileSystem`, which supports the same URI schemes as Spark.
"""

from __future__ import annotations

from typing import Any

from pyspark.sql import SparkSession


def _file_system(spark: SparkSession, uri: str) -> tuple[Any, Any]:
    jvm: Any = spark._jvm
    path = jvm.org.apache.hadoop.fs.Path(uri)
    return path.getFileSystem(spark._jsc.hadoopConfiguration()), path


def is_file(spark: SparkSession, uri: str) -> bool:
    """Return whether a file exists at the URI. A folder is not a file."""
    file_system, path = _file_system(spark, uri)
    return bool(file_system.exists(path)) and bool(file_system.getFileStatus(path).isFile())


def get_size(spark: SparkSession, uri: str) -> int:
    """Return the size of a file, or of all files in a folder, in bytes."""
    file_system, path = _file_system(spark, uri)
    return int(file_system.getContentSummary(path).getLength())


def read_head(spark: SparkSession, uri: str, limit: int) -> tuple[bytes, bool]:
    """Return the first `limit` bytes of the file, and whether they are the complete file."""
    file_system, path = _file_system(spark, uri)
    stream = file_system.open(path)
    try:
        head = bytes(stream.readNBytes(limit + 1))
    finally:
        stream.close()
    return head[:limit], len(head) <= limit


def write_text(spark: SparkSession, uri: str, text: str) -> None:
    """Write a small UTF-8 file atomically, so that no reader sees a part of it.

    An object store makes an object visible when its upload is complete. On other file systems,
    renaming the temporary file has the same effect.

    Raises:
        OSError: The temporary file could not be renamed.
    """
    file_system, path = _file_system(spark, uri)
    temporary = path.suffix(".part")
    stream = file_system.create(temporary, True)
    try:
        stream.write(bytearray(text.encode("utf-8")))
    finally:
        stream.close()
    if not file_system.rename(temporary, path):
        raise OSError(f"could not rename {temporary} to {uri}")


def delete(spark: SparkSession, uri: str) -> None:
    """Delete the file if it exists."""
    file_system, path = _file_system(spark, uri)
    file_system.delete(path, False)
