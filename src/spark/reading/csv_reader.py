"""Read a CSV file as records."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from contract.datasets import DATASETS, Dataset
from contract.file_check import HEAD_BYTES, Header, check_head
from contract.layout import join_uri
from spark import storage
from spark.errors import InputError
from spark.reading import csv_grammar
from spark.reading.records import RECORD

_LOG = logging.getLogger(__name__)

NOT_UTF8 = "is not valid UTF-8; save it as UTF-8 and upload it again"

# The lower bits of monotonically_increasing_id are the number of the row in its partition.
_ROW_NUMBER_MASK = (1 << 33) - 1


def read_headers(
    spark: SparkSession, folder: str, datasets: Iterable[Dataset]
) -> dict[Dataset, Header]:
    """Check the file of each dataset and return its header. Warnings are logged.

    Args:
        spark: The Spark session.
        folder: The URI of the folder that contains the files.
        datasets: The datasets to check.

    Raises:
        InputError: A file is missing or failed its file check. The message lists the problems of
            all files in one line.
    """
    headers, problems = {}, []
    for dataset in datasets:
        uri = join_uri(folder, dataset.file)
        if not storage.is_file(spark, uri):
            problems.append(f"{dataset.file}: file not found in {folder}")
            continue
        check = check_head(dataset, *storage.read_head(spark, uri, HEAD_BYTES))
        if check.header is None:
            problems.append(check.message(dataset.file))
            continue
        headers[dataset] = check.header
        for warning in check.warnings:
            _LOG.warning("%s: %s", dataset.file, warning)
    if problems:
        raise InputError(" | ".join(problems))
    return headers


def get_input_size(spark: SparkSession, folder: str) -> int:
    """Return the size of the four files in a folder, in bytes."""
    return sum(storage.get_size(spark, join_uri(folder, dataset.file)) for dataset in DATASETS)


def read_records(
    spark: SparkSession, folder: str, dataset: Dataset, header: Header, join_lines: bool
) -> DataFrame:
    """Read the records of a dataset's file.

    Args:
        spark: The Spark session.
        folder: The URI of the folder that contains the file.
        dataset: The dataset to read.
        header: The header of the file.
        join_lines: Whether a record can contain line breaks. Needed only if `leaves_quote_open`
            is true for a line of the file, and only then slower.

    Returns:
        One row per record, in the column `record`. Blank lines are not records.
    """
    lines = _read_data_lines(spark, join_uri(folder, dataset.file), header)
    records = _join_records(lines, dataset) if join_lines else lines
    line = F.col("line")
    # Invalid UTF-8 would not survive the cut. All other lines are checked when they are converted.
    cut = csv_grammar.strip_line_ending(require_utf8(line, dataset))
    record = F.when(csv_grammar.has_line_ending(line), cut).otherwise(line)
    return records.select(record.alias(RECORD)).where(~csv_grammar.is_blank(F.col(RECORD)))


def require_utf8(text: Column, dataset: Dataset) -> Column:
    """Return the text, or end the job with a message to the user if the text is not valid UTF-8.

    Otherwise, Spark would insert replacement characters and thus change names and IDs silently.
    """
    is_utf8 = F.encode(text, "UTF-8") == text.cast("binary")
    return F.when(is_utf8, text).otherwise(F.raise_error(F.lit(f"{dataset.file} {NOT_UTF8}")))


def _read_data_lines(spark: SparkSession, uri: str, header: Header) -> DataFrame:
    """Return the physical lines below the header as `line`, and their order as `position`."""
    block_start = F.col("_metadata.file_block_start")
    row_id = F.monotonically_increasing_id()
    # The rows of a block are in order, and each row takes at least one byte. Thus, the sum grows
    # from line to line, regardless of which partition reads which block.
    position = block_start + row_id.bitwiseAND(F.lit(_ROW_NUMBER_MASK))
    return (
        spark.read.option("lineSep", "\n")
        .text(uri)
        .select(position.alias("position"), F.col("value").alias("line"))
        .where(F.col("position") > header.line)
    )


def _join_records(lines: DataFrame, dataset: Dataset) -> DataFrame:
    """Join the lines of records that contain line breaks, so that each row is one record.

    A record that starts on a line with an open quote can continue up to the next line that could
    close the quote. Lines that may be connected in this way form a block, and the grammar splits
    each block into records. Nearly every block is a single line. Thus, a task holds no more than
    one block in memory, regardless of the size of the file.
    """
    line, position = F.col("line"), F.col("position")
    later = Window.orderBy(position.desc()).rowsBetween(Window.unboundedPreceding, -1)
    earlier = Window.orderBy(position).rowsBetween(Window.unboundedPreceding, -1)
    up_to_here = Window.orderBy(position).rowsBetween(Window.unboundedPreceding, 0)

    next_closing = F.min(F.when(~csv_grammar.stays_quoted(line), position)).over(later)
    opens_quote = csv_grammar.leaves_quote_open(line)
    open_until = F.max(F.when(opens_quote, F.col("next_closing"))).over(earlier)
    is_block_start = F.coalesce(F.col("open_until") < position, F.lit(True))
    block_lines = F.array_sort(F.collect_list(F.struct("position", "line")))
    return (
        lines.withColumn("line", require_utf8(line, dataset))
        .withColumn("next_closing", next_closing)
        .withColumn("open_until", open_until)
        .withColumn("block", F.sum(is_block_start.cast("bigint")).over(up_to_here))
        .groupBy("block")
        .agg(F.array_join(block_lines["line"], "\n").alias("lines"))
        .select(F.explode(csv_grammar.split_records(F.col("lines"))).alias("line"))
    )
