"""Conversion of any record, with every check of the data contract."""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F

from contract import codes
from contract.datasets import Dataset
from contract.file_check import Header
from spark.cleaning.conversion import convert_field, trim_field
from spark.cleaning.row_rules import reject_reasons
from spark.columns import let
from spark.reading.csv_reader import require_utf8
from spark.reading.records import RAW_RECORD, split_record

VALUE = "value"
REJECTION = "rejection"
REASONS = "reject_reasons"


def check_record(record: Column, dataset: Dataset, header: Header) -> Column:
    """Return the values of a valid record, or why the record is rejected.

    Returns:
        A struct of two structs. `value` contains the converted fields; null for a rejected record.
        `rejection` contains what `build_rejection` returns; null for a valid record.
    """

    def split(record: Column) -> Column:
        return let(
            split_record(record, dataset, header), lambda raw: _check_raw_fields(raw, dataset)
        )

    return let(require_utf8(record, dataset), split)


def build_rejection(raw: Column, reasons: Column, dataset: Dataset) -> Column:
    """Return a struct of the raw fields, `raw_record`, and the reject reasons."""
    fields = [raw[name].alias(name) for name in (*dataset.column_names, RAW_RECORD)]
    return F.struct(*fields, reasons.alias(REASONS))


def _check_raw_fields(raw: Column, dataset: Dataset) -> Column:
    texts = [trim_field(raw[name]).alias(name) for name in dataset.column_names]
    return let(F.struct(*texts), lambda text: _check_texts(raw, text, dataset))


def _check_texts(raw: Column, text: Column, dataset: Dataset) -> Column:
    values = [
        convert_field(text[column.name], column.format).alias(column.name)
        for column in dataset.columns
    ]

    def judge(value: Column) -> Column:
        malformed = F.array(F.lit(codes.MALFORMED_ROW))
        reasons = F.when(raw[RAW_RECORD].isNotNull(), malformed).otherwise(
            reject_reasons(dataset, text, value)
        )
        return let(reasons, lambda reasons: _split_by_reasons(raw, value, reasons, dataset))

    return let(F.struct(*values), judge)


def _split_by_reasons(raw: Column, value: Column, reasons: Column, dataset: Dataset) -> Column:
    is_valid = F.size(reasons) == 0
    return F.struct(
        F.when(is_valid, value).alias(VALUE),
        F.when(~is_valid, build_rejection(raw, reasons, dataset)).alias(REJECTION),
    )
