"""Text to value by kind, each case one text."""

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
from spark.cleaning.conversion import converted, trimmed

AMOUNT = DecimalFormat(12, 2, 0)
LATITUDE = DecimalFormat(9, 6, -90, 90, rounded=True)
DAY = TimestampFormat("yyyy-MM-dd")
SECOND = TimestampFormat("dd-MM-yyyy HH:mm:ss")

CASES: list[tuple[FieldFormat, dict[str, object]]] = [
    (TextFormat(), {"12e4567890": "12e4567890", "0012": "0012", "a\\b": "a\\b"}),
    (TextFormat(case="lower"), {"Ä@B": "ä@b"}),
    (TextFormat(case="upper"), {"ca": "CA"}),
    (
        TextFormat(pattern="[0-9]{5}"),
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
    (LATITUDE, dict.fromkeys(["90.0000005", "-90.1", "999.9999999", "9" * 40, "1" + "0" * 99])),
    (DAY, {"2024-02-29": date(2024, 2, 29), "0001-01-01": date(1, 1, 1)}),
    (DAY, dict.fromkeys(["2024-02-30", "2024-2-3", "0000-01-01", "29-02-2024", "2024-02-29 "])),
    (SECOND, {"04-06-2024 13:25:00": datetime(2024, 6, 4, 13, 25)}),  # noqa: DTZ001 - no zone
    (SECOND, dict.fromkeys(["04-06-2024 24:00:00", "04-06-2024T13:25:00", "04-06-2024"])),
]


@pytest.mark.parametrize(("kind", "values"), CASES, ids=lambda value: str(value)[:40])
def test_conversion(spark: SparkSession, kind: FieldFormat, values: dict[str, object]) -> None:
    texts = spark.createDataFrame([(text,) for text in values], "text string")
    # Collecting a timestamp turns it into local time; as text it stays what it is.
    value = converted(F.col("text"), kind)
    if kind is SECOND:
        value = value.cast("string")
        values = {text: str(value) if value else None for text, value in values.items()}
    assert [row[0] for row in texts.select(value).collect()] == list(values.values())


def test_trimming_is_of_spaces_and_tabs_alone(spark: SparkSession) -> None:
    texts = [" \t a b\t ", "", " \t", "\n", "\u00a0x", None]
    frame = spark.createDataFrame([(text,) for text in texts], "text string")
    read = [row[0] for row in frame.select(trimmed(F.col("text"))).collect()]
    assert read == ["a b", None, None, "\n", "\u00a0x", None]
