"""Tests of the plans that Spark executes: how often each file is read, and what is shuffled."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from contract.datasets import DATASETS, RENTALS, USERS, Dataset
from sample_data import write_sample
from spark.cleaning import duplicates
from spark.cleaning.cleaned_dataset import CleanedDataset, FileCleaner
from spark.cleaning.rows import converted
from spark.reading.csv_reader import read_headers, read_records
from spark.tables import RowCounter, write_table


@pytest.fixture(autouse=True)
def _empty_cache(spark: SparkSession) -> Iterator[None]:
    yield
    spark.catalog.clearCache()


def _clean(spark: SparkSession, folder: Path, dataset: Dataset) -> CleanedDataset:
    headers = read_headers(spark, str(folder), DATASETS)
    return FileCleaner(spark, str(folder), dataset, headers[dataset]).clean()


def _plan(rows: DataFrame) -> str:
    return str(rows._jdf.queryExecution().optimizedPlan().toString())


def _executed_plan(rows: DataFrame) -> str:
    return str(rows._jdf.queryExecution().executedPlan().toString())


def test_file_without_duplicates_is_read_once_and_never_sorted(
    spark: SparkSession, tmp_path: Path
) -> None:
    write_sample(tmp_path, rentals=50)
    cleaned = _clean(spark, tmp_path, RENTALS)
    for rows in (cleaned.accepted, cleaned.rejected):
        plan = _executed_plan(rows)
        assert plan.count("InMemoryTableScan") == 1
        assert plan.count("FileScan text") == 1  # what the cache was filled from
        assert "Sort" not in plan
        assert "Exchange" not in plan


def test_conversions_are_evaluated_once(spark: SparkSession, tmp_path: Path) -> None:
    write_sample(tmp_path, rentals=50)
    headers = read_headers(spark, str(tmp_path), DATASETS)
    header = headers[RENTALS]
    records = read_records(spark, str(tmp_path), RENTALS, header, join_lines=False)
    plan = _plan(records.transform(converted(RENTALS, header)))
    for expression in (
        r"THEN split\(record#\d+, ,, -1\)",  # the fields of a canonical record
        r"rental_start_time, cast\(_fields#\d+\[3\] as timestamp\)",
        r"AS _checked#",
        r"encode\(record#\d+, UTF-8",
    ):
        assert len(re.findall(expression, plan)) == 1, expression
    # Expressions that contain others several times grow fast: 190,000 characters have been seen.
    assert len(plan) < 15_000


def test_only_rows_of_repeated_keys_are_sorted(spark: SparkSession, tmp_path: Path) -> None:
    write_sample(tmp_path, rentals=50)
    file = tmp_path / RENTALS.file
    lines = file.read_text().splitlines()
    file.write_text("\n".join([*lines, lines[-1], ""]))
    cleaned = _clean(spark, tmp_path, RENTALS)
    assert (cleaned.read, cleaned.accepted.count(), cleaned.rejected.count()) == (51, 50, 1)
    ranked = _executed_plan(cleaned.persisted[-1])
    # The sort is above the join that selects the rows.
    assert ranked.index("Sort") < ranked.index("BroadcastHashJoin")


@pytest.mark.parametrize("hash_count", [1, 2**62])
@pytest.mark.parametrize("broadcast_limit", [0, 100])
def test_duplicates_are_found_despite_collisions_and_in_any_number(
    hash_count: int,
    broadcast_limit: int,
    spark: SparkSession,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(duplicates, "_hash", lambda key: F.pmod(F.xxhash64(key), F.lit(hash_count)))
    monkeypatch.setattr(duplicates, "_BROADCAST_LIMIT", broadcast_limit)
    write_sample(tmp_path, rentals=40)
    file = tmp_path / RENTALS.file
    header, *lines = file.read_text().splitlines()
    key = lines[0].partition(",")[0]
    repeated = [f'"{key}"{lines[0].removeprefix(key)}', f" {lines[1]}"]
    file.write_text("\n".join([header, *lines, *repeated, lines[0].replace(key, ""), ""]))
    cleaned = _clean(spark, tmp_path, RENTALS)
    accepted = [row["rental_id"] for row in cleaned.accepted.collect()]
    assert sorted(accepted) == sorted(line.partition(",")[0] for line in lines)
    # Kept is the row whose text sorts first: a space and a quote precede hexadecimal digits.
    rejected = [(row["rental_id"], row["reject_reasons"]) for row in cleaned.rejected.collect()]
    second = lines[1].partition(",")[0]
    assert sorted(rejected, key=repr) == sorted(
        [
            (key, ["duplicate_rental_id"]),
            (second, ["duplicate_rental_id"]),
            ("", ["missing_rental_id"]),
        ],
        key=repr,
    )


def test_lines_are_joined_only_if_a_quote_stays_open(spark: SparkSession, tmp_path: Path) -> None:
    write_sample(tmp_path, rentals=50)
    assert "Window" not in _executed_plan(_clean(spark, tmp_path, USERS).accepted)
    file = tmp_path / USERS.file
    first, second, *others = file.read_text().splitlines()
    fields = second.split(",")
    fields[1] = '"two\nlines"'
    file.write_text("\n".join([first, ",".join(fields), *others, ""]))
    cleaned = _clean(spark, tmp_path, USERS)
    assert cleaned.read == len(others) + 1
    assert cleaned.accepted.where("first_name = 'two\\nlines'").count() == 1


def test_tables_without_rows_are_counted(spark: SparkSession, tmp_path: Path) -> None:
    """Adaptive execution replaces plans without rows; their counters must still return."""
    empty = spark.range(10).where("id > 99")
    for name, rows in {
        "empty": empty,
        "join": spark.range(5).join(empty, "id"),
        "aggregate": empty.groupBy("id").count(),
    }.items():
        counter = RowCounter()
        write_table(counter.observe(rows), str(tmp_path / name))
        assert counter.counts == {"rows": 0}
