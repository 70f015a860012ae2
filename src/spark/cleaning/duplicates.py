"""Search for valid rows that share a key.

Repeated keys are rare. A count of a hash of the keys finds all of them, and only the rows of these
keys are compared exactly. A collision of hashes only makes a few more rows be compared.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from contract import codes
from contract.datasets import Dataset
from contract.file_check import Header
from spark.cleaning.checked_records import REJECTION, build_rejection
from spark.cleaning.conversion import convert_field, trim_field
from spark.cleaning.rows import converted, is_rejected
from spark.reading.records import RECORD, read_field, split_record

_KEY_HASH = "_key_hash"
_RAW = "_raw"
_RANK = "_rank"

# A set of this many hashes takes about 100 MB of memory in each process.
_BROADCAST_LIMIT = 4_000_000


def find_repeated_keys(rows: DataFrame, dataset: Dataset) -> DataFrame:
    """Return the hashes of the keys that more than one valid row has.

    Args:
        rows: Rows as `converted` returns them.
        dataset: Their dataset.
    """
    return (
        rows.where(~is_rejected())
        .groupBy(_hash(F.col(dataset.key)).alias(_KEY_HASH))
        .count()
        .where("count > 1")
        .select(_KEY_HASH)
    )


class RepeatedKeys:
    """The keys that more than one valid row has.

    Args:
        hashes: The persisted result of `find_repeated_keys`.
        count: The number of hashes.
        dataset: The dataset.
    """

    def __init__(self, hashes: DataFrame, count: int, dataset: Dataset) -> None:
        self._hashes = F.broadcast(hashes) if count <= _BROADCAST_LIMIT else hashes
        self._dataset = dataset

    def drop_rows(self, rows: DataFrame) -> DataFrame:
        """Return the rows with other keys."""
        keyed = rows.withColumn(_KEY_HASH, _hash(F.col(self._dataset.key)))
        return keyed.join(self._hashes, _KEY_HASH, "left_anti").drop(_KEY_HASH)

    def rank_rows(self, records: DataFrame, header: Header) -> DataFrame:
        """Return the rows with these keys, and the rank of each valid row among those of its key.

        Only the key of each record is read, and only records with these keys are converted.

        The row whose raw text sorts first has rank 1. The order does not depend on the order in
        which rows are read, so every partitioning gives the same result.
        """
        dataset = self._dataset
        # Rejected rows have no key. Their records spread them over all tasks.
        partition = [F.col(dataset.key), F.when(is_rejected(), F.col(RECORD))]
        rank = F.row_number().over(Window.partitionBy(*partition).orderBy(_RAW))
        # As a filter, the condition would be moved before the join and evaluated for every record.
        rank = F.when(~is_rejected(), rank)
        return (
            records.withColumn(_KEY_HASH, _hash(_read_key(F.col(RECORD), dataset, header)))
            .join(self._hashes, _KEY_HASH)
            .transform(converted(dataset, header))
            .withColumn(_RAW, split_record(F.col(RECORD), dataset, header))
            .withColumn(_RANK, rank)
            .drop(RECORD)
        )


def select_kept(ranked: DataFrame, dataset: Dataset) -> DataFrame:
    """Return the values of the one row of each key that is kept."""
    return ranked.where(F.col(_RANK) == 1).select(*dataset.column_names)


def select_duplicates(ranked: DataFrame, dataset: Dataset) -> DataFrame:
    """Return the rejection of each other row, as the column `rejection`."""
    reasons = F.array(F.lit(codes.duplicate_code(dataset)))
    rejection = build_rejection(F.col(_RAW), reasons, dataset)
    return ranked.where(F.col(_RANK) > 1).select(rejection.alias(REJECTION))


def _read_key(record: Column, dataset: Dataset, header: Header) -> Column:
    """Return the key of a record, converted as in a valid row."""
    key_format = next(column.format for column in dataset.columns if column.name == dataset.key)
    return convert_field(trim_field(read_field(record, dataset.key, dataset, header)), key_format)


def _hash(key: Column) -> Column:
    return F.xxhash64(key)
