"""Cutting files into records and fields, against the oracle's reader."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from contract.datasets import Dataset, InputColumn
from contract.field_formats import TextFormat
from spark.errors import InputError
from spark.reading.csv_reader import read_headers, read_rows
from tests.oracle.records import records

PAIRS = Dataset(
    name="pairs",
    file="pairs.csv",
    key="a",
    columns=(InputColumn("a", TextFormat()), InputColumn("b", TextFormat())),
    multiline=True,
)
# What a hand or a broken program could put side by side.
PIECES = ["a", "é", '"', '""', ",", "\n", "\r\n", "\r", " ", '"a","b"\n', '"x\ny",z\n', "1,2\n"]


@pytest.fixture(params=[None, "60"], ids=["whole", "split"])
def split(request: pytest.FixtureRequest, spark: SparkSession) -> Iterator[None]:
    """Files in one partition, and cut into partitions of 60 bytes."""
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
    return [tuple(row) for row in read_rows(spark, str(folder), dataset, header).collect()]


def _truth(text: str, dataset: Dataset) -> list[tuple[str | None, ...]]:
    _, *rows = records(text, multiline=dataset.multiline)
    return [
        (*row.fields, None) if row.fields and len(row.fields) == 2 else (None, None, row.raw)
        for row in rows
    ]


def _by_content(rows: Sequence[tuple[str | None, ...]]) -> list[tuple[str | None, ...]]:
    return sorted(rows, key=repr)


@pytest.mark.usefixtures("split")
@pytest.mark.parametrize("dataset", [PAIRS, replace(PAIRS, multiline=False)], ids=["multi", "line"])
def test_any_text_is_cut_as_the_grammar_says(
    dataset: Dataset, spark: SparkSession, tmp_path: Path
) -> None:
    for seed in range(4):
        pieces = random.Random(seed).choices(PIECES, k=400)
        text = "a,b\n" + "".join(pieces) + "end,of file\n"
        (tmp_path / dataset.file).write_bytes(text.encode())
        assert _by_content(_read(spark, tmp_path, dataset)) == _by_content(_truth(text, dataset))


def test_one_broken_quote_costs_one_row(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / PAIRS.file).write_text('a,b\n1,"never closed\n2,x\n3,"a ""quoted""\nbreak"\n')
    rows = [(None, None, '1,"never closed'), ("2", "x", None), ("3", 'a "quoted"\nbreak', None)]
    assert _by_content(_read(spark, tmp_path, PAIRS)) == _by_content(rows)


def test_a_long_quoted_field_needs_no_stack(spark: SparkSession, tmp_path: Path) -> None:
    value = 'a""b,\n' * 100_000
    (tmp_path / PAIRS.file).write_text(f'a,b\n1,"{value}"\n')
    [(key, read, malformed)] = _read(spark, tmp_path, PAIRS)
    assert (key, malformed) == ("1", None)
    assert read == value.replace('""', '"')


def test_header_in_another_order_with_mark_blank_lines_and_extra_column(
    spark: SparkSession, tmp_path: Path
) -> None:
    (tmp_path / PAIRS.file).write_bytes(
        b'\xef\xbb\xbf\r\n  \r\n"B ", X ,a\r\nb1,x1,a1\r\nB,X,a\r\n'
    )
    assert _by_content(_read(spark, tmp_path, PAIRS)) == [("a", "B", None), ("a1", "b1", None)]


def test_a_missing_file_is_named(spark: SparkSession, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^pairs\.csv: no such file in "):
        read_headers(spark, str(tmp_path), [PAIRS])
