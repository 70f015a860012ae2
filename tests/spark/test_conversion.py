"""Tests of the conversion of a field's text to a value of each format."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal as Number

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from contract.field_formats import (
    BooleanFormat,
    DecimalFormat,
    FieldFormat,
    IntegerFormat,
    TextFormat,
    TimestampFormat,
)
from spark.cleaning.conversion import convert_field, trim_field
from tests.support.time_limit import time_limit

AMOUNT = DecimalFormat(12, 2, 0)
LATITUDE = DecimalFormat(9, 6, -90, 90, round_excess=True)
DATE = TimestampFormat("yyyy-MM-dd")
TIMESTAMP = TimestampFormat("dd-MM-yyyy HH:mm:ss")

CASES: list[tuple[FieldFormat, dict[str, object]]] = [
    (TextFormat(), {"12e4567890": "12e4567890", "0012": "0012", "a\\b": "a\\b"}),
    (TextFormat(case="lower"), {"Ä@B": "ä@b"}),
    (TextFormat(case="upper"), {"ca": "CA"}),
    (
        TextFormat(regex="[0-9]{5}"),
        {"00501": "00501", "501": None, "00501\n": None, "١٢٣٤٥": None},
    ),
    (BooleanFormat(), {"0": False, "1": True, "2": None, "true": None}),
    (IntegerFormat(), {"02147483647": 2147483647, "2147483648": None, "-1": None, "1.0": None}),
    (
        AMOUNT,
        {
            "450": Number("450.00"),
            "450.0": Number("450.00"),
            "9999999999.99": Number("9999999999.99"),
        },
    ),
    (AMOUNT, dict.fromkeys(["1,5", "1.999", "1e3", "NaN", "-1", "+1", ".5", "5.", "10000000000"])),
    (LATITUDE, {"-74.4558925": Number("-74.455893"), "90.0000004": Number("90.000000")}),
    (LATITUDE, {"+0.0000005": Number("0.000001"), "-0.0000005": Number("-0.000001")}),
    (
        LATITUDE,
        {
            "90.0000004" + "9" * 9_000: Number("90.000000"),
            "90.0000005" + "0" * 9_000: None,
            "-0.0000005" + "0" * 9_000: Number("-0.000001"),
            "-0.0000004" + "9" * 9_000: Number("0.000000"),
            "+" + "0" * 9_000 + "12.5": Number("12.500000"),
            "12.5" + "0" * 9_000 + "x": None,
        },
    ),
    (LATITUDE, dict.fromkeys(["90.0000005", "-90.1", "999.9999999", "9" * 40, "1" + "0" * 99])),
    (DATE, {"2024-02-29": date(2024, 2, 29), "0001-01-01": date(1, 1, 1)}),
    (DATE, dict.fromkeys(["2024-02-30", "2024-2-3", "0000-01-01", "29-02-2024", "2024-02-29 "])),
    (TIMESTAMP, {"04-06-2024 13:25:00": datetime(2024, 6, 4, 13, 25)}),  # noqa: DTZ001 - the contract has no time zones
    (TIMESTAMP, dict.fromkeys(["04-06-2024 24:00:00", "04-06-2024T13:25:00", "04-06-2024"])),
]


@pytest.mark.parametrize(("field_format", "values"), CASES, ids=lambda value: str(value)[:40])
def test_field_is_converted_to_value_or_null(
    spark: SparkSession, field_format: FieldFormat, values: dict[str, object]
) -> None:
    texts = spark.createDataFrame([(text,) for text in values], "text string")
    value = convert_field(F.col("text"), field_format)
    if field_format is TIMESTAMP:
        # collect() converts timestamps to local time, but not their text.
        value = value.cast("string")
        values = {text: str(value) if value else None for text, value in values.items()}
    assert [row[0] for row in texts.select(value).collect()] == list(values.values())


@pytest.mark.parametrize(
    ("start", "digit", "end"),
    [
        ("1.", "1", ""),
        ("1.", "0", "x"),
        ("", "0", ""),
        ("", "0", "x"),
        ("", "1", ""),
        ("-.", "0", "5"),
    ],
)
@pytest.mark.parametrize(
    "field_format", [LATITUDE, AMOUNT, IntegerFormat(), DATE, BooleanFormat()], ids=repr
)
def test_long_field_is_converted_in_linear_time(
    spark: SparkSession, field_format: FieldFormat, start: str, digit: str, end: str
) -> None:
    text = F.concat(F.lit(start), F.repeat(F.lit(digit), 5_000_000), F.lit(end))
    # It takes seconds. If the time grew with the square of the length, it would be an hour.
    with time_limit(120, f"{field_format}: {start}{digit}...{end}"):
        spark.range(1).select(convert_field(text, field_format)).collect()


def test_trim_removes_only_spaces_and_tabs(spark: SparkSession) -> None:
    texts = [" \t a b\t ", "", " \t", "\n", "\u00a0x", None]
    frame = spark.createDataFrame([(text,) for text in texts], "text string")
    actual = [row[0] for row in frame.select(trim_field(F.col("text"))).collect()]
    assert actual == ["a b", None, None, "\n", "\u00a0x", None]
