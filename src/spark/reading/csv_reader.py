"""From a CSV file to its rows of raw text."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from contract.datasets import Dataset
from contract.file_check import HEAD_BYTES, Header, check_head
from contract.layout import join_uri
from spark import storage
from spark.errors import InputError
from spark.reading import csv_grammar

RAW_RECORD = "raw_record"
_LOG = logging.getLogger(__name__)

NOT_UTF8 = "is not UTF-8; save it as UTF-8 and drop it again"

_ROW_IN_PARTITION = (1 << 33) - 1  # the lower bits of monotonically_increasing_id


def read_headers(
    spark: SparkSession, folder: str, datasets: Iterable[Dataset]
) -> dict[Dataset, Header]:
    """The header of each dataset's file in the folder.

    What is odd but harmless goes to the log. InputError, in one line with every problem of every
    file, if any of them cannot be used.
    """
    headers, problems = {}, []
    for dataset in datasets:
        uri = join_uri(folder, dataset.file)
        if not storage.is_file(spark, uri):
            problems.append(f"{dataset.file}: no such file in {folder}")
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


def read_rows(spark: SparkSession, folder: str, dataset: Dataset, header: Header) -> DataFrame:
    """One row a record: each column's text as it stands in the file, in the contract's order.

    Behind them `raw_record`: the whole record of a malformed row, whose other columns are null, and
    null for any other.
    """
    lines = _data_lines(spark, join_uri(folder, dataset.file), dataset, header)
    records = _joined_records(lines) if dataset.multiline else lines.select("line")
    record = csv_grammar.without_line_end(F.col("line"))
    return (
        records.select(record.alias("record"))
        .where(~csv_grammar.is_blank(F.col("record")))
        .select("record", _fields(header).alias("fields"))
        .select(*_raw_columns(dataset, header))
    )


def _data_lines(spark: SparkSession, uri: str, dataset: Dataset, header: Header) -> DataFrame:
    """The physical lines below the header: `position`, their order in the file, and `line`."""
    block = F.col("_metadata.file_block_start")
    row = F.monotonically_increasing_id()
    # A block's rows come in order, and a row takes at least one byte: so this grows with the file,
    # whichever partition reads which block.
    position = block + row.bitwiseAND(F.lit(_ROW_IN_PARTITION))
    return (
        spark.read.option("lineSep", "\n")
        .text(uri)
        .select(position.alias("position"), _utf8(F.col("value"), dataset).alias("line"))
        .where(F.col("position") > header.line)
    )


def _utf8(line: Column, dataset: Dataset) -> Column:
    """The line itself; one whose bytes are not UTF-8 ends the job with a word to the user.

    Spark would put replacement characters instead, and so change names and ids silently.
    """
    is_utf8 = F.encode(line, "UTF-8") == line.cast("binary")
    return F.when(is_utf8, line).otherwise(F.raise_error(F.lit(f"{dataset.file} {NOT_UTF8}")))


def _joined_records(lines: DataFrame) -> DataFrame:
    """Join the lines of quoted fields with line breaks, so that each row is one record.

    A line that leaves a quote open can reach as far as the next line that could close it. Lines
    that such a reach connects make a block, which the grammar cuts into records; nearly every
    block is one line. So no more than a block is held in memory, however large the file.
    """
    line, position = F.col("line"), F.col("position")
    later = Window.orderBy(position.desc()).rowsBetween(Window.unboundedPreceding, -1)
    earlier = Window.orderBy(position).rowsBetween(Window.unboundedPreceding, -1)
    so_far = Window.orderBy(position).rowsBetween(Window.unboundedPreceding, 0)

    closing = F.min(F.when(~csv_grammar.stays_quoted(line), position)).over(later)
    reach = F.max(F.when(csv_grammar.opens_quote(line), F.col("closing"))).over(earlier)
    is_start = F.coalesce(F.col("reach") < position, F.lit(True))
    block_lines = F.array_sort(F.collect_list(F.struct("position", "line")))
    return (
        lines.withColumn("closing", closing)
        .withColumn("reach", reach)
        .withColumn("block", F.sum(is_start.cast("bigint")).over(so_far))
        .groupBy("block")
        .agg(F.array_join(block_lines["line"], "\n").alias("lines"))
        .select(F.explode(csv_grammar.records(F.col("lines"))).alias("line"))
    )


def _fields(header: Header) -> Column:
    """The record's fields, or null where it is malformed."""
    record = F.col("record")
    cut = F.when(csv_grammar.is_well_quoted(record), csv_grammar.fields(record))
    return F.when(F.size(cut) == header.width, cut)


def _raw_columns(dataset: Dataset, header: Header) -> list[Column]:
    cut = F.col("fields")
    columns = [
        csv_grammar.unquoted(cut[position]).alias(name)
        for name, position in zip(dataset.column_names, header.positions)
    ]
    return [*columns, F.when(cut.isNull(), F.col("record")).alias(RAW_RECORD)]
