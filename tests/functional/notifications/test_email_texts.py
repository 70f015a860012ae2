"""The amounts, names, and commands in emails."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from pipeline.aws.objects import build_object_url
from pipeline.notifications import figures
from pipeline.notifications.plain_text import fold, join_folded, list_values, quote, shorten
from pipeline.notifications.run_names import build_command, label_batch, name_batch, name_run

RUN_ID = "2024-w22-352dbd7a90c41e6f8b27"


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        ("0", "0.00"),
        ("9999.99", "9,999.99"),
        ("10000", "10.0K"),
        ("760270.00", "760.3K"),
        ("999949.99", "999.9K"),
        ("999950.00", "1.0M"),
        ("16200620.00", "16.2M"),
        ("999950000", "1.0B"),
        ("1250000000000", "1.3T"),
        ("9999999999999999.99", "10,000.0T"),
    ],
)
def test_short_amount_fits_a_subject(amount: str, text: str) -> None:
    assert figures.format_short_amount(Decimal(amount)) == text


@pytest.mark.parametrize(
    ("now", "before", "text"),
    [
        (925, 898, "+3.0%"),
        (Decimal("760270.00"), Decimal("738990.00"), "+2.9%"),
        (0, 5, "-100.0%"),
        (5, 5, "0.0%"),
        (10_000, 10_001, "0.0%"),  # without a sign
        (1045, 1000, "+4.5%"),
        (10005, 10000, "+0.1%"),  # half away from zero
        (9995, 10000, "-0.1%"),
        (30_000, 2, "+1,499,900.0%"),
        (5, 0, ""),
        (0, 0, ""),
    ],
)
def test_change_is_a_percentage_of_the_base(
    now: figures.Number, before: figures.Number, text: str
) -> None:
    assert figures.format_change(now, before) == text


@pytest.mark.parametrize(
    ("part", "total", "text"),
    [(41, 5000, "0.8%"), (1, 20_080, "under 0.1%"), (0, 5, "0.0%"), (5, 5, "100.0%")],
)
def test_small_share_is_not_zero(part: int, total: int, text: str) -> None:
    assert figures.format_share(part, total) == text


@pytest.mark.parametrize(
    ("first", "last", "short", "long"),
    [
        (date(2024, 5, 25), date(2024, 5, 31), "25-31 May", "25 May to 31 May 2024"),
        (date(2024, 5, 28), date(2024, 6, 3), "28 May-3 Jun", "28 May to 3 Jun 2024"),
        (
            date(2023, 12, 29),
            date(2024, 1, 4),
            "29 Dec 2023-4 Jan 2024",
            "29 Dec 2023 to 4 Jan 2024",
        ),
        (date(2024, 5, 31), date(2024, 5, 31), "31 May", "31 May 2024"),
    ],
)
def test_periods_name_years_if_they_differ(first: date, last: date, short: str, long: str) -> None:
    assert figures.format_days(first, last) == short
    assert figures.format_period(first, last) == long


def test_line_of_the_specification_is_broken_before_the_parenthesis() -> None:
    """It has 45 characters."""
    assert join_folded("41 of 5,000 rentals rejected", "(0.8%, limit 5%)").splitlines() == [
        "41 of 5,000 rentals rejected",
        "(0.8%, limit 5%)",
    ]


def test_foreign_text_is_quoted_and_limited() -> None:
    assert quote("a\nb\x1b") == "> a\\nb\\u001b"
    lines = quote("x" * 10_000, max_lines=3).splitlines()
    assert len(lines) == 3
    assert all(line.startswith("> ") and len(line) <= 44 for line in lines)
    assert lines[-1].endswith("...")
    assert quote("") == "> ..."


def test_own_text_is_folded_at_spaces() -> None:
    assert max(map(len, fold("word " * 40).splitlines())) <= 44
    assert fold("one\n\ntwo") == "one\n\ntwo"


def test_end_of_a_long_name_is_kept() -> None:
    assert shorten("raw/a-very-long-batch-name/users.csv", 20) == "raw/a-ver...sers.csv"
    assert list_values("1.00", "x" * 100, "y" * 100).splitlines() == [
        f"1.00 {'x' * 18}...{'x' * 17},",
        f"  {'y' * 20}...{'y' * 19}",
    ]


@pytest.mark.parametrize(
    ("batch", "name"),
    [
        ("raw/2024-w22/", "2024-w22"),
        ("raw/", RUN_ID),
        ("", RUN_ID),
        ("verification/20261125/", RUN_ID),
        ("raw/$(reboot)/", RUN_ID),
        ("raw/--yes/", RUN_ID),
        ("raw/latest/", RUN_ID),  # a keyword
        ("raw/previous/", RUN_ID),
        ("raw/2024-w21-4b1c7f02d9e85a361c04/", RUN_ID),  # the ID of another run
        ("raw/ä/", RUN_ID),
    ],
)
def test_command_names_run_by_its_batch_only_if_that_is_safe(batch: str, name: str) -> None:
    assert name_run(RUN_ID, batch) == name


def test_earlier_run_of_the_same_batch_is_named_by_its_id() -> None:
    assert name_run(RUN_ID, "raw/2024-w22/", "raw/2024-w22/") == RUN_ID
    assert name_run(RUN_ID, "raw/2024-w22/", "raw/2024-w23/") == "2024-w22"


def test_batch_is_named_or_quoted() -> None:
    assert build_command("start", name_batch("raw/2024-w22/")) == "./run start 2024-w22"
    assert build_command("start", name_batch("raw/")) == "./run start raw/"
    assert build_command("start", name_batch("raw/a b/")) == "./run start 'raw/a b/'"


def test_label_of_a_batch_fits_a_line() -> None:
    assert label_batch("raw/2024-w22/") == "2024-w22"
    assert label_batch("raw/") == "raw"
    assert len(label_batch(f"raw/{'x' * 1000}/")) == 30


def test_url_of_an_object_is_quoted() -> None:
    assert build_object_url("eu-west-1", "bucket", "reports/a b&c/report.html") == (
        "https://eu-west-1.console.aws.amazon.com/s3/object/bucket"
        "?region=eu-west-1&prefix=reports/a%20b%26c/report.html"
    )
