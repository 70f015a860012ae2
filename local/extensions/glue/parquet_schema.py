"""Read the columns of a Parquet file without downloading more than its footer."""

from __future__ import annotations

import struct
import tempfile
from pathlib import Path
from typing import Any

import duckdb

from local.extensions.athena.data_types import UnsupportedTypeError, to_hive_type
from local.extensions.s3.files import S3File

_MAGIC = b"PAR1"
_TAIL_BYTES = 8  # a file ends with the length of its footer, 4 bytes, and the magic number
_MIN_FILE_BYTES = len(_MAGIC) + _TAIL_BYTES
# Most footers are shorter, so that one request is enough.
_FIRST_READ_BYTES = 64 * 1024

Columns = dict[str, str]
"""Hive types by lowercase column name, in the order of the file."""


class NotParquetError(Exception):
    """The object is not a Parquet file, or has a type that the catalog does not support."""


def read_parquet_schema(s3: Any, file: S3File) -> Columns:
    """Return the columns of a Parquet file, which may have no rows.

    Args:
        s3: An S3 client that may read the file.
        file: The file.

    Raises:
        NotParquetError: The file is not a readable Parquet file.
        ClientError: S3 returned an error.
    """
    if file.size < _MIN_FILE_BYTES:
        raise NotParquetError(f"{file.uri} is not a Parquet file")
    tail = _read_tail(s3, file, _FIRST_READ_BYTES)
    if tail[-len(_MAGIC) :] != _MAGIC:
        raise NotParquetError(f"{file.uri} is not a Parquet file")
    (footer_length,) = struct.unpack("<I", tail[-_TAIL_BYTES : -len(_MAGIC)])
    needed = footer_length + _TAIL_BYTES
    if needed > len(tail):
        tail = _read_tail(s3, file, needed)
    # A file that consists of the footer only. The rows that the footer describes are not read.
    content = _MAGIC + tail[-needed:]
    with tempfile.TemporaryDirectory(prefix="schema-") as folder:
        path = Path(folder) / "footer.parquet"
        path.write_bytes(content)
        try:
            return _read_columns(path)
        except (duckdb.Error, UnsupportedTypeError) as error:
            raise NotParquetError(f"{file.uri}: {error}") from error


def _read_tail(s3: Any, file: S3File, length: int) -> bytes:
    first = max(0, file.size - length)
    byte_range = f"bytes={first}-{file.size - 1}"
    response = s3.get_object(Bucket=file.bucket, Key=file.key, Range=byte_range)
    return bytes(response["Body"].read())


def _read_columns(path: Path) -> Columns:
    with duckdb.connect() as database:
        description = database.execute(
            "SELECT * FROM read_parquet(?, hive_partitioning = false) LIMIT 0", [str(path)]
        ).description
    return {name.lower(): to_hive_type(duckdb_type) for name, duckdb_type, *_ in description}
