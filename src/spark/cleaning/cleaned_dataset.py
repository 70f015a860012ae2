"""The accepted and the rejected rows of a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from contract.datasets import RENTALS, Dataset
from contract.file_check import Header
from spark.cleaning.checked_records import REJECTION
from spark.cleaning.duplicates import (
    RepeatedKeys,
    find_repeated_keys,
    select_duplicates,
    select_kept,
)
from spark.cleaning.rows import add_derived_columns, converted, is_rejected
from spark.reading.csv_grammar import leaves_quote_open
from spark.reading.csv_reader import read_records
from spark.reading.records import RAW_RECORD
from spark.tables import read_single_row

_ROWS_PER_FILE = 1_000_000


@dataclass(frozen=True)
class CleanedDataset:
    """The accepted and the rejected rows of a file.

    Attributes:
        read: The number of rows in the file.
        accepted: The accepted rows, with the columns of the curated table.
        rejected: The rejected rows, with their raw text and reject reasons.
        persisted: What `unpersist` releases.
    """

    read: int
    accepted: DataFrame
    rejected: DataFrame
    persisted: Sequence[DataFrame]

    def unpersist(self) -> None:
        """Release the memory that the rows take. Afterwards, reading them repeats all work."""
        for rows in self.persisted:
            rows.unpersist()


@dataclass(frozen=True)
class _ConvertedFile:
    """The records of a file, and the persisted rows that they were converted to.

    Attributes:
        records: The records.
        rows: The rows.
        read: The number of rows.
        open_quotes: The number of rows with a quote that is still open at their end.
        persisted: What to release in the end.
    """

    records: DataFrame
    rows: DataFrame
    read: int
    open_quotes: int
    persisted: Sequence[DataFrame]


class FileCleaner:
    """Cleans one file.

    Args:
        spark: The Spark session.
        folder: The URI of the folder that contains the file.
        dataset: The dataset of the file.
        header: The header of the file.
        columns: The columns of the dataset that are needed, besides the key; by default, all.
    """

    def __init__(
        self,
        spark: SparkSession,
        folder: str,
        dataset: Dataset,
        header: Header,
        columns: Sequence[str] | None = None,
    ) -> None:
        self._spark = spark
        self._folder = folder
        self._dataset = dataset
        self._header = header
        self._columns = [
            name
            for name in dataset.column_names
            if columns is None or name in columns or name == dataset.key
        ]

    def clean(self) -> CleanedDataset:
        """Convert all records and separate accepted from rejected rows."""
        file = self._convert_file()
        accepted = file.rows.where(~is_rejected()).select(*self._columns)
        rejected = file.rows.where(is_rejected()).select(REJECTION)
        persisted = list(file.persisted)
        hashes = find_repeated_keys(file.rows, self._dataset).persist()
        persisted.append(hashes)
        if hash_count := hashes.count():
            keys = RepeatedKeys(hashes, hash_count, self._dataset)
            ranked = keys.rank_rows(file.records, self._header).persist()
            persisted.append(ranked)
            kept = select_kept(ranked, self._dataset).select(*self._columns)
            # One row per key is kept. Without this, each partition would become a small file.
            kept = kept.coalesce(1 + hash_count // _ROWS_PER_FILE)
            accepted = keys.drop_rows(accepted).unionByName(kept)
            rejected = rejected.unionByName(select_duplicates(ranked, self._dataset))
        if self._dataset is RENTALS:
            accepted = add_derived_columns(accepted)
        return CleanedDataset(file.read, accepted, rejected.select(f"{REJECTION}.*"), persisted)

    def _convert_file(self) -> _ConvertedFile:
        """Convert all records of the file."""
        file = self._convert(self._read_records(join_lines=False))
        if self._dataset.multiline and file.open_quotes:
            # Few files contain line breaks inside quotes, so only these are read in the slower way.
            file.rows.unpersist()
            records = self._read_records(join_lines=True).persist()
            file = self._convert(records, persisted=[records])
        return file

    def _convert(self, records: DataFrame, persisted: Sequence[DataFrame] = ()) -> _ConvertedFile:
        """Convert the records once, persist their rows, and count them."""
        rows = records.transform(converted(self._dataset, self._header))
        rows = rows.select(*self._columns, REJECTION).persist()
        counts = rows.agg(
            F.count(F.lit(1)).alias("read"),
            F.count_if(_leaves_quote_open()).alias("open_quotes"),
        )
        persisted = [*persisted, rows]
        return _ConvertedFile(records, rows, **read_single_row(counts), persisted=persisted)

    def _read_records(self, join_lines: bool) -> DataFrame:
        return read_records(self._spark, self._folder, self._dataset, self._header, join_lines)


def _leaves_quote_open() -> Column:
    return leaves_quote_open(F.col(f"{REJECTION}.{RAW_RECORD}"))
