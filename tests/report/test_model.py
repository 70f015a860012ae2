"""The figures and the texts of a report, from answers that are easy to compute by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from contract.reports import DatasetCounts
from report.figures import DayFigures, compute_weekly_mean, fill_days, parse_location_bars
from report.inputs import ReportInputs, Row
from report.model import Report, build_report
from report.tables import DataTable
from tests.support.reports import LAST_DAY, build_answers, build_inputs


@pytest.fixture
def report() -> Report:
    return build_report(build_inputs())


def cells(table: DataTable) -> list[list[str]]:
    return [[cell.text for cell in row] for row in table.rows]


def find_chart(report: Report, name: str) -> Any:
    return next(chart for chart in report.charts if chart.name == name)


def test_cards_show_totals_and_changes_of_seven_days(report: Report) -> None:
    cards = {card.title: (card.value, card.change, card.direction) for card in report.cards}
    assert cards == {
        "Revenue": ("42,000.00", "+5.0% in 7 days", "up"),
        "Rentals": ("70", "-12.5% in 7 days", "down"),
        "Average": ("600.00", "+20.0% in 7 days", "up"),
        "Hours": ("1,400.00", "-12.5% in 7 days", "down"),
        "Users": ("40", "+0.0% in 7 days", "same"),
        "Vehicles": ("20", "+0.0% in 7 days", "same"),
    }


def test_lead_names_the_week_and_the_rejected_rows(report: Report) -> None:
    assert report.lead == (
        "The last seven days (27 May to 2 Jun 2024) brought 8,400.00, +5.0% on the seven before.",
        "133 of 136 rows were accepted, 3 were rejected.",
    )
    assert not report.verdict.is_good
    assert report.verdict.text == "3 of 73 rentals rejected"


@pytest.mark.parametrize(
    "weeks",
    [
        [build_answers()["weeks"][1]],
        [{**build_answers()["weeks"][0], "days": "6"}, build_answers()["weeks"][1]],
        [{**build_answers()["weeks"][0], "revenue": "0.00"}, build_answers()["weeks"][1]],
    ],
    ids=["no week before", "a day is missing", "no revenue before"],
)
def test_no_percentage_without_a_complete_base(weeks: list[Row]) -> None:
    report = build_report(build_inputs(answers={"weeks": weeks}))
    assert (report.cards[0].change, report.cards[0].direction) == ("no comparison", "none")
    assert "%" not in report.lead[0]


def test_changes_are_separate_from_new_days(report: Report) -> None:
    assert "No earlier day changed, and none disappeared." in report.changes_text
    (table,) = report.change_tables
    assert cells(table) == [
        ["before", "28", "56", "33,600.00"],
        ["+ new days, 27 May to 2 Jun 2024", "7", "+14", "+8,400.00"],
        ["± changed days", "0", "0", "0.00"],
        ["- days that disappeared", "0", "0", "0.00"],
        ["now", "35", "70", "42,000.00"],
    ]


def test_changed_and_missing_days_are_listed() -> None:
    day = {
        "change": "changed",
        "days": "1",
        "first_day": "2024-05-01",
        "last_day": "2024-05-01",
        "rentals_before": "2",
        "rentals_now": "1",
        "revenue_before": "1200.00",
        "revenue_now": "1000.00",
    }
    gone = {**day, "change": "missing", "days": "2", "rentals_now": "0", "revenue_now": "0"}
    changed_days: list[Row] = [
        {
            "day": "2024-05-01",
            "rentals_before": "2",
            "rentals_now": "1",
            "revenue_before": "1200.00",
            "revenue_now": "1000.00",
        },
        {
            "day": "2024-05-02",
            "rentals_before": "2",
            "rentals_now": None,
            "revenue_before": "1200.00",
            "revenue_now": None,
        },
    ]
    inputs = build_inputs(answers={"changes": [day, gone], "changed_days": changed_days})
    report = build_report(inputs)
    assert "1 earlier day changed and 2 earlier days disappeared" in report.changes_text
    assert cells(report.change_tables[1]) == [
        ["1 May 2024", "2", "1", "1,200.00", "1,000.00", "-200.00"],
        ["2 May 2024", "2", "-", "1,200.00", "-", "-1,200.00"],
    ]


def test_first_run_has_nothing_to_compare_with() -> None:
    answers = {name: rows for name, rows in build_answers().items() if "change" not in name}
    inputs = replace(build_inputs(previous_run_id=None), answers=answers)
    report = build_report(inputs)
    assert report.changes_text == "There is no earlier run to compare with."
    assert report.change_tables == ()


def test_row_of_the_distant_future_does_not_empty_the_charts() -> None:
    future: Row = {"day": "2099-01-01", "rentals": "1", "revenue": "5.00", "users": "1"}
    inputs = build_inputs(answers={"days": [future, *build_answers()["days"]]})
    report = build_report(inputs)
    assert report.time_note.startswith("Rentals after the day of the run (3 Jun 2024)")
    values = find_chart(report, "daily_revenue").spec["data"]["values"]
    assert len(values) == 35
    assert values[-1]["day"] == LAST_DAY.isoformat()


def test_day_without_rentals_is_drawn_as_zero_and_named() -> None:
    days = [row for row in build_answers()["days"] if row["day"] != "2024-05-15"]
    report = build_report(build_inputs(answers={"days": days}))
    assert "1 days between them have none" in report.time_note
    chart = find_chart(report, "calendar")
    assert [value["day"] for value in chart.spec["data"]["values"] if value["shade"] == "none"] == [
        "2024-05-15"
    ]
    weekly = find_chart(report, "weekly_revenue")
    assert [value["complete"] for value in weekly.spec["data"]["values"]] == [
        *(True, True, False, True, True)
    ]


def test_weekly_mean_needs_seven_days() -> None:
    days = [
        DayFigures(date(2024, 1, 1) + timedelta(days=index), 1, Decimal(index))
        for index in range(9)
    ]
    assert compute_weekly_mean(days) == [None] * 6 + [Decimal(3), Decimal(4), Decimal(5)]
    assert [row.day.day for row in fill_days([days[0], days[4]])] == [1, 2, 3, 4, 5]


def test_fleet_adds_up_to_the_totals_when_the_answer_is_limited() -> None:
    answers = {"fleet": build_answers()["fleet"][:2]}
    report = build_report(build_inputs(answers=answers))
    types = find_chart(report, "vehicle_types").table
    assert cells(types) == [
        ["premium", "30", "42.9%", "600.00", "24,000.00", "57.1%", "40.00"],
        ["basic", "25", "35.7%", "500.00", "12,000.00", "28.6%", "24.00"],
        ["other", "15", "21.4%", "300.00", "6,000.00", "14.3%", "20.00"],
    ]


def test_histogram_has_equal_bars_without_gaps() -> None:
    bars = parse_location_bars(build_answers())
    assert [(int(bar.start), int(bar.end), bar.count) for bar in bars] == [
        (start, start + 1000, count)
        for start, count in zip(
            range(10_000, 21_000, 1000), [1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1], strict=True
        )
    ]
    many: list[Row] = [
        {"bin": str(index), "width": "10.00", "locations": "1"} for index in range(100)
    ]
    merged = parse_location_bars({"location_distribution": many})
    assert len(merged) <= 16
    assert sum(bar.count for bar in merged) == 100


def test_coordinates_are_a_finding(report: Report) -> None:
    assert report.coordinate_finding is not None
    assert report.coordinate_finding.startswith(
        "Of 3 locations, only 1 has coordinates within its state."
    )
    none_checked = {"coordinates": [{"locations": "3", "checked": "0", "in_state": "0"}]}
    assert build_report(build_inputs(answers=none_checked)).coordinate_finding is None


def test_different_sums_are_the_verdict() -> None:
    sums = build_answers()["sums"]
    sums[2] = {**sums[2], "revenue": "41999.99"}
    report = build_report(build_inputs(answers={"sums": sums}))
    assert report.verdict.text == "sums differ"
    assert "do not use this run" in report.quality_text


def test_run_without_rentals_has_a_report() -> None:
    inputs = _remove_rentals(build_inputs())
    report = build_report(inputs)
    assert report.charts == (find_chart(report, "past_runs"),)
    assert report.cards_note == "There are no rentals to compare."


def _remove_rentals(inputs: ReportInputs) -> ReportInputs:
    empty = ("days", "fleet", "cities", "locations", "location_distribution", "users", "weeks")
    answers: dict[str, list[Row]] = {**inputs.answers, **{name: [] for name in empty}}
    totals: Row = dict.fromkeys(answers["totals"][0])
    answers["totals"] = [totals | {"rentals": "0", "revenue": "0.00", "users": "0"}]
    answers["changes"] = []
    datasets = inputs.transformation.datasets | {"rentals": DatasetCounts(0, 0, 0, {})}
    return replace(
        inputs,
        answers=answers,
        transformation=replace(inputs.transformation, datasets=datasets),
    )


def test_report_shows_no_user(report: Report) -> None:
    chart = find_chart(report, "users")
    assert {name for value in chart.spec["data"]["values"] for name in value} == {
        *("rentals", "users", "share")
    }


def test_numbers_of_charts_are_those_of_their_tables(report: Report) -> None:
    revenue = sum(
        value["revenue"] for value in find_chart(report, "daily_revenue").spec["data"]["values"]
    )
    table = find_chart(report, "daily_revenue").table
    assert sum(Decimal(row[2].text.replace(",", "")) for row in table.rows) == Decimal(revenue)
    assert Decimal(revenue) == Decimal(42_000)


def test_inputs_survive_the_page() -> None:
    inputs = build_inputs()
    assert ReportInputs.from_dict(json.loads(json.dumps(inputs.to_dict()))) == inputs


@pytest.mark.parametrize(
    "content", [{}, [], {"schema": "rental-kpi.report/2"}, {"schema": "rental-kpi.report/1"}]
)
def test_other_data_is_refused(content: Any) -> None:
    with pytest.raises(ValueError, match=r"schema|invalid"):
        ReportInputs.from_dict(content)
