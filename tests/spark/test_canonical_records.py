"""Tests that the fast conversion of canonical records agrees with the one with all checks."""

from __future__ import annotations

import re
from random import Random

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from contract.datasets import DATASETS, Dataset, InputColumn
from contract.field_formats import TextFormat, TimestampFormat
from contract.file_check import Header
from spark.cleaning.canonical_records import are_valid, canonical_fields, canonical_values
from spark.cleaning.checked_records import REJECTION, VALUE, check_record
from spark.cleaning.rows import converted
from spark.reading.records import RECORD

TEXTS = [
    "a",
    "12e4567890",
    "O'Neil & Co.",
    "a  b",
    " a",
    "a ",
    "",
    " ",
    "\t",
    '"a"',
    '"a,b"',
    'a"b',
]
TEXTS += ["é", "a\\b", "a\x00b", "a\x7fb", "\u00a0", "A.B@C.DE", "٣", "😀", "-", "!", "~", "#"]
NUMBERS = [
    "0",
    "1",
    "2",
    "450",
    "450.0",
    "450.00",
    "0450.5",
    "1.999",
    "1,5",
    "1e3",
    "NaN",
    "-1",
    "+1",
]
NUMBERS += [
    ".5",
    "5.",
    "9999999999.99",
    "10000000000",
    "90.0000005",
    "-90.0000004",
    "12345",
    "1" * 40,
]
TIMES = ["2024-02-29", "2024-02-30", "29-02-2024", "0000-01-01", "2024-2-3", "9999-12-31"]
TIMES += [
    "2024-02-29 23:59:59",
    "2024-02-29 24:00:00",
    "2024-02-29T10:00:00",
    "04-06-2024 13:25:00",
]
TIMES += ["2024-03-01 00:00:00", "31-11-2024 00:00:00", "2024-02-29 10:00:60", "2024-02-29 10:00"]


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


def _random_records(dataset: Dataset, rng: Random, count: int) -> list[str]:
    """Return a valid record in which up to two fields are replaced, in many variants.

    Most other records would be rejected for several reasons, so they would not show a wrong one.
    """
    valid = [_valid_field(column) for column in dataset.columns]
    records = []
    for _ in range(count):
        fields = list(valid)
        for position in rng.sample(range(len(fields)), rng.randrange(3)):
            fields[position] = rng.choice([*TEXTS, *NUMBERS, *TIMES])
        records.append(",".join(fields))
    return records


@pytest.mark.parametrize("dataset", DATASETS, ids=lambda dataset: dataset.name)
def test_both_conversions_agree(dataset: Dataset, spark: SparkSession) -> None:
    width = len(dataset.columns)
    header = Header(tuple(range(width)), width, 0)
    texts = _random_records(dataset, Random(dataset.name), 4_000)
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
    rentals = next(dataset for dataset in DATASETS if dataset.name == "rentals")
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
        .select(RECORD, canonical_fields(F.col(RECORD), rentals, header).alias("fields"))
        .withColumn("values", canonical_values(fields, rentals, header))
        .select(RECORD, are_valid(values, fields, rentals, header))
    )
    assert dict(map(tuple, actual.collect())) == cases
