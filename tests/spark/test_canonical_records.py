"""Tests that the fast conversion of canonical records agrees with the one with all checks."""

from __future__ import annotations

import re
from random import Random

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from contract.datasets import DATASETS, RENTALS, Dataset, InputColumn
from contract.field_formats import TextFormat, TimestampFormat
from contract.file_check import Header
from spark.cleaning.canonical_records import are_valid, canonical_fields, canonical_values
from spark.cleaning.checked_records import REJECTION, VALUE, check_record
from spark.cleaning.rows import converted
from spark.reading.records import RECORD

# fmt: off
TEXTS = [
    "a", "12e4567890", "O'Neil & Co.", "a  b", " a", "a ", "", " ", "\t", '"a"', '"a,b"', 'a"b',
    "é", "a\\b", "a\x00b", "a\x7fb", "\u00a0", "A.B@C.DE", "٣", "😀", "-", "!", "~", "#",
]
NUMBERS = [
    "0", "1", "2", "450", "450.0", "450.00", "0450.5", "1.999", "1,5", "1e3", "NaN", "-1", "+1",
    ".5", "5.", "9999999999.99", "10000000000", "90.0000005", "-90.0000004", "12345", "1" * 40,
]
TIMES = [
    "2024-02-29", "2024-02-30", "29-02-2024", "0000-01-01", "2024-2-3", "9999-12-31",
    "2024-02-29 23:59:59", "2024-02-29 24:00:00", "2024-02-29T10:00:00", "04-06-2024 13:25:00",
    "2024-03-01 00:00:00", "31-11-2024 00:00:00", "2024-02-29 10:00:60", "2024-02-29 10:00",
]
# fmt: on


def _valid_field(column: InputColumn) -> str:
    if isinstance(column.format, TimestampFormat):
        day = "02" if column.name == "rental_end_time" else "01"
        parts = {"yyyy": "2024", "MM": "06", "dd": day, "HH": "12", "mm": "30", "ss": "59"}
        return re.sub("yyyy|MM|dd|HH|mm|ss", lambda match: parts[match[0]], _pattern(column))
    if isinstance(column.format, TextFormat):
        return "12345" if column.format.regex else "a b"
    return "1"


def _pattern(column: InputColumn) -> str:
    assert isinstance(column.format, TimestampFormat)
    return column.format.datetime_pattern


def _random_header(dataset: Dataset, rng: Random) -> Header:
    """Return a header with the columns in any order, and with up to three other columns."""
    width = len(dataset.columns) + rng.randrange(4)
    return Header(tuple(rng.sample(range(width), len(dataset.columns))), width, 0)


def _random_records(dataset: Dataset, header: Header, rng: Random, count: int) -> list[str]:
    """Return a valid record in which up to two fields are replaced, in many variants.

    Most other records would be rejected for several reasons, so they would not show a wrong one.
    """
    values = [*TEXTS, *NUMBERS, *TIMES]
    valid = ["a"] * header.width
    for column, position in zip(dataset.columns, header.positions, strict=True):
        valid[position] = _valid_field(column)
    records = []
    for _ in range(count):
        fields = list(valid)
        for position in rng.sample(range(len(fields)), rng.randrange(3)):
            fields[position] = rng.choice(values)
        records.append(",".join(fields))
    return records


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("dataset", DATASETS, ids=lambda dataset: dataset.name)
def test_both_conversions_agree(dataset: Dataset, seed: int, spark: SparkSession) -> None:
    rng = Random(f"{dataset.name} {seed}")
    header = _random_header(dataset, rng)
    texts = _random_records(dataset, header, rng, 2_000)
    records = spark.createDataFrame([(text,) for text in texts], f"{RECORD} string").persist()
    fast = records.transform(converted(dataset, header))
    columns = [*dataset.column_names, REJECTION, RECORD]
    checked = records.select(
        RECORD, check_record(F.col(RECORD), dataset, header).alias("_checked")
    ).select(f"_checked.{VALUE}.*", f"_checked.{REJECTION}", RECORD)
    assert fast.select(columns).exceptAll(checked.select(columns)).count() == 0
    assert checked.count() == len(texts)
    assert fast.where(f"{REJECTION} IS NULL").count() > len(texts) // 3


def test_common_notation_is_canonical(spark: SparkSession) -> None:
    header = Header(tuple(range(8)), 8, 0)
    start, end = "2024-01-12 02:44:00", "2024-01-13 03:44:00"
    cases = {
        f"r1,u1,v1,{start},{end},1,2,250.0": True,
        f"r1,u1,v1,{start},{end},1,,250": True,
        f"r1,u1,v1,{end},{start},1,2,250.0": False,  # not valid
        f"r1,u1,v1,{start},{end},1,2,250.0,x": False,
        f"r1,u1,,{start},{end},1,2,250.0": False,
        f"r1 ,u1,v1,{start},{end},1,2,250.0": False,
        f'"r1",u1,v1,{start},{end},1,2,250.0': False,
        f"r1,u1,v1,2024-02-30 00:00:00,{end},1,2,250.0": False,
    }
    fields, values = F.col("fields"), F.col("values")
    actual = (
        spark.createDataFrame([(record,) for record in cases], f"{RECORD} string")
        .select(RECORD, canonical_fields(F.col(RECORD), RENTALS, header).alias("fields"))
        .withColumn("values", canonical_values(fields, RENTALS, header))
        .select(RECORD, are_valid(values, fields, RENTALS, header))
    )
    assert dict(map(tuple, actual.collect())) == cases


@pytest.mark.parametrize("before", [0, 8_000])
def test_file_with_thousands_of_other_columns_is_converted(
    before: int, spark: SparkSession
) -> None:
    width = 16_384  # a spreadsheet saved at its full width
    header = Header(tuple(range(before, before + 8)), width, 0)
    rental = "r1,u1,v1,2024-01-12 02:44:00,2024-01-13 03:44:00,1,2,250.0"
    record = ("," * before + rental).ljust(len(rental) + width - 8, ",")
    others = [record + ",", record[:-1], record + "é"]
    records = spark.createDataFrame([(text,) for text in [record, *others]], f"{RECORD} string")
    is_canonical = canonical_fields(F.col(RECORD), RENTALS, header).isNotNull()
    rows = records.select(is_canonical).collect()
    assert [row[0] for row in rows] == [True, False, False, False]
    valid = records.transform(converted(RENTALS, header)).where(f"{REJECTION} IS NULL")
    assert valid.count() == 2
