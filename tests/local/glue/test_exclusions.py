"""Tests of the exclude patterns, with the examples of the AWS Glue Developer Guide."""

from __future__ import annotations

import pytest

from local.extensions.glue.exclusions import Exclusions
from tests.infra.support.template import template

FILES = {
    "departments/finance.json",
    "departments/market-us.json",
    "departments/market-emea.json",
    "employees/hr.json",
    "employees/jane.csv",
    "employees/old/john.csv",
    "top.csv",
    ".hidden",
}


@pytest.mark.parametrize(
    ("pattern", "excluded"),
    [
        ("departments/**", {name for name in FILES if name.startswith("departments/")}),
        ("departments/market*", {"departments/market-us.json", "departments/market-emea.json"}),
        ("**.csv", {"employees/jane.csv", "employees/old/john.csv", "top.csv"}),
        ("employees/*.csv", {"employees/jane.csv"}),
        ("*.csv", {"top.csv"}),
        ("employees/*/*", {"employees/old/john.csv"}),
        ("departments**", {name for name in FILES if name.startswith("departments")}),
        ("*", {"top.csv", ".hidden"}),
        ("departments/market-{us,ap}.json", {"departments/market-us.json"}),
        ("departments/market-??.json", {"departments/market-us.json"}),
        ("t[!a-n]p.[c]sv", {"top.csv"}),
        ("t[a-n]p.csv", set()),
        ("departments[/]finance.json", set()),
        ("jane.csv", set()),
        ("", set()),
    ],
)
def test_pattern_excludes(pattern: str, excluded: set[str]) -> None:
    assert {name for name in FILES if Exclusions([pattern]).match(name)} == excluded


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        (r"a\*b", "a*b"),
        (r"a\{b", "a{b"),
        (r"a\\b", r"a\b"),
        ("a,b", "a,b"),
        ("a.b", "a.b"),
        ("[*?]", "?"),
        ("[a^]", "^"),
        ("a$", "a$"),
    ],
)
def test_character_is_matched_literally(pattern: str, path: str) -> None:
    assert Exclusions([pattern]).match(path)
    assert not Exclusions([pattern]).match("aXb")


@pytest.mark.parametrize(
    ("pattern", "days"),
    [
        ("2015/01/{[!0],0[8-9]}**", {"2015/01/08", "2015/01/10", "2015/01/31"}),
        ("2015/0[2-9]/**", {"2015/02/01"}),
        ("2015/1[0-2]/**", {"2015/12/07"}),
    ],
)
def test_pattern_excludes_all_days_but_the_first_week_of_january(
    pattern: str, days: set[str]
) -> None:
    candidates = {f"2015/01/{day}" for day in ("01", "07", "08", "10", "31")}
    candidates |= {"2015/02/01", "2015/12/07"}
    exclusions = Exclusions([pattern])
    assert {day for day in candidates if exclusions.match(f"{day}/part.parquet")} == days


@pytest.mark.parametrize(
    "path",
    [
        "run_id=r1/part-0.snappy.parquet",
        "run_id=x_temporary/part-0.parquet",
        "run_id=x_SUCCESS/part-0.parquet",
        "run_id=a__magic/part-0.parquet",
    ],
)
def test_template_does_not_exclude_data(path: str) -> None:
    patterns = template()["Mappings"]["CrawlerExclusions"]["AllTables"]["Patterns"]
    assert not Exclusions(patterns).match(path)
