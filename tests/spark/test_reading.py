"""Tests of the splitting of files into records and fields, against the oracle's reader."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from contract.datasets import Dataset, InputColumn
from contract.field_formats import TextFormat
from spark.errors import InputError
from spark.reading import csv_grammar
from spark.reading.csv_reader import read_headers, read_records
from spark.reading.records import RECORD, split_record
from tests.oracle.records import parse_records
from tests.support.time_limit import time_limit

PAIRS = Dataset(
    name="pairs",
    file="pairs.csv",
    key="a",
    columns=(InputColumn("a", TextFormat()), InputColumn("b", TextFormat())),
    multiline=True,
)
# Random sequences of these fragments contain many kinds of broken quoting.
FRAGMENTS = ["a", "é", '"', '""', ",", "\n", "\r\n", "\r", " ", '"a","b"\n', '"x\ny",z\n', "1,2\n"]


@pytest.fixture(params=[None, "60"], ids=["one partition", "many partitions"])
def partitioning(request: pytest.FixtureRequest, spark: SparkSession) -> Iterator[None]:
    """Run the test with each file in one partition, and with partitions of 60 bytes."""
    if request.param is None:
        yield
        return
    spark.conf.set("spark.sql.files.maxPartitionBytes", request.param)
    spark.conf.set("spark.sql.files.openCostInBytes", "1")
    yield
    spark.conf.unset("spark.sql.files.maxPartitionBytes")
    spark.conf.unset("spark.sql.files.openCostInBytes")


def _read(spark: SparkSession, folder: Path, dataset: Dataset) -> list[tuple[str | None, ...]]:
    header = read_headers(spark, str(folder), [dataset])[dataset]
    records = read_records(spark, str(folder), dataset, header, join_lines=dataset.multiline)
    rows = records.select(split_record(F.col(RECORD), dataset, header).alias("row")).select("row.*")
    return [tuple(row) for row in rows.collect()]


def _expected_rows(text: str, dataset: Dataset) -> list[tuple[str | None, ...]]:
    _, *rows = parse_records(text, multiline=dataset.multiline)
    return [
        (*row.fields, None) if row.fields and len(row.fields) == 2 else (None, None, row.raw)
        for row in rows
    ]


def _sorted(rows: Sequence[tuple[str | None, ...]]) -> list[tuple[str | None, ...]]:
    return sorted(rows, key=repr)


@pytest.mark.usefixtures("partitioning")
@pytest.mark.parametrize(
    "dataset", [PAIRS, replace(PAIRS, multiline=False)], ids=["multi-line", "single-line"]
)
def test_records_match_the_oracle_for_random_text(
    dataset: Dataset, spark: SparkSession, tmp_path: Path
) -> None:
    for seed in range(4):
        fragments = random.Random(seed).choices(FRAGMENTS, k=400)
        text = "a,b\n" + "".join(fragments) + "end,of file\n"
        (tmp_path / dataset.file).write_bytes(text.encode())
        assert _sorted(_read(spark, tmp_path, dataset)) == _sorted(_expected_rows(text, dataset))


@pytest.mark.parametrize("ending", ["", "\r", "\r\n", "\n\r", "\r\n\r"])
def test_cr_at_the_end_of_the_file_belongs_to_a_line_ending(
    ending: str, spark: SparkSession, tmp_path: Path
) -> None:
    (tmp_path / PAIRS.file).write_bytes(f"a,b\n1,2{ending}".encode())
    assert _read(spark, tmp_path, PAIRS) == [("1", "2", None)]


def test_unclosed_quote_affects_only_one_row(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / PAIRS.file).write_text('a,b\n1,"never closed\n2,x\n3,"a ""quoted""\nbreak"\n')
    rows = [(None, None, '1,"never closed'), ("2", "x", None), ("3", 'a "quoted"\nbreak', None)]
    assert _sorted(_read(spark, tmp_path, PAIRS)) == _sorted(rows)


def test_long_quoted_field_does_not_overflow_the_stack(spark: SparkSession, tmp_path: Path) -> None:
    value = 'a""b,\n' * 100_000
    (tmp_path / PAIRS.file).write_text(f'a,b\n1,"{value}"\n')
    [(key, actual, raw_record)] = _read(spark, tmp_path, PAIRS)
    assert (key, raw_record) == ("1", None)
    assert actual == value.replace('""', '"')


def test_long_text_is_split_in_linear_time(spark: SparkSession) -> None:
    length = 200_000
    repeated = [*FRAGMENTS, '"a', 'a"', '",', ',"', '","', '"a\n', '"",\n', 'a","\n', '"x"y,']
    ends = ["", '"', "x", '"x', '"x"', '"x"y', '"x"\n1,2']
    texts = spark.createDataFrame(
        [(text, length // len(text), end) for text in repeated for end in ends],
        "text string, count int, end string",
    ).select(F.concat(F.expr("repeat(text, count)"), "end").alias("text"))
    text = F.col("text")
    fields = F.when(csv_grammar.is_well_quoted(text), csv_grammar.split_fields(text))
    functions = {
        "is_blank": csv_grammar.is_blank(text),
        "is_well_quoted": csv_grammar.is_well_quoted(text),
        "leaves_quote_open": csv_grammar.leaves_quote_open(text),
        "stays_quoted": csv_grammar.stays_quoted(text),
        "split_records": F.size(csv_grammar.split_records(text)),
        "strip_line_ending": F.length(csv_grammar.strip_line_ending(text)),
        "split_fields": F.size(fields),
        "unquote": F.length(csv_grammar.unquote(text)),
    }
    for name, result in functions.items():
        # It takes seconds. If the time for one text grew with the square of its length, it would be
        # minutes.
        with time_limit(100, name):
            texts.select(F.max(F.struct(result))).collect()


def test_header_may_have_another_order_byte_order_mark_blank_lines_and_extra_column(
    spark: SparkSession, tmp_path: Path
) -> None:
    (tmp_path / PAIRS.file).write_bytes(
        b'\xef\xbb\xbf\r\n  \r\n"B ", X ,a\r\nb1,x1,a1\r\nB,X,a\r\n'
    )
    assert _sorted(_read(spark, tmp_path, PAIRS)) == [("a", "B", None), ("a1", "b1", None)]


def test_error_names_the_missing_file(spark: SparkSession, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^pairs\.csv: file not found in "):
        read_headers(spark, str(tmp_path), [PAIRS])
