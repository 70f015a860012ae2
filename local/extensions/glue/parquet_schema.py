"""The columns of a Parquet file, read from its end alone."""

from __future__ import annotations

import struct
import tempfile
from pathlib import Path
from typing import Any

import duckdb

from local.extensions.athena.data_types import UnknownTypeError, hive_type
from local.extensions.s3.files import S3File

_MAGIC = b"PAR1"
# Most footers are shorter, so that one request is enough.
_FIRST_READ = 64 * 1024

Columns = dict[str, str]
"""Hive types by lower-case name, in the file's order."""


class NotParquetError(Exception):
    """The object is no Parquet file, or has a type that the catalogue does not know."""


def parquet_schema(s3: Any, file: S3File) -> Columns:
    """The file's columns; a file without rows has them too.

    NotParquetError; ClientError as S3 answers it.
    """
    end = _end(s3, file, _FIRST_READ)
    if file.size < 12 or end[-4:] != _MAGIC:  # noqa: PLR2004 - two magics and a length
        raise NotParquetError(f"{file.uri} is not a Parquet file")
    (length,) = struct.unpack("<I", end[-8:-4])
    if length + 8 > len(end):
        end = _end(s3, file, length + 8)
    # A file of a footer alone: what it says of rows is not looked at here.
    content = _MAGIC + end[-(length + 8) :]
    with tempfile.TemporaryDirectory(prefix="schema-") as folder:
        path = Path(folder) / "footer.parquet"
        path.write_bytes(content)
        try:
            return _columns(path)
        except (duckdb.Error, UnknownTypeError) as error:
            raise NotParquetError(f"{file.uri}: {error}") from error


def _end(s3: Any, file: S3File, length: int) -> bytes:
    first = max(0, file.size - length)
    answer = s3.get_object(Bucket=file.bucket, Key=file.key, Range=f"bytes={first}-{file.size - 1}")
    return bytes(answer["Body"].read())


def _columns(path: Path) -> Columns:
    with duckdb.connect() as database:
        found = database.execute(
            "SELECT * FROM read_parquet(?, hive_partitioning = false) LIMIT 0", [str(path)]
        ).description
    return {name.lower(): hive_type(kind) for name, kind, *_ in found}
